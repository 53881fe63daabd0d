#!/usr/bin/env bash
# What each type costs a model: a Markdown table of size, KL divergence from the float32 model, agreement on
# the most probable token, and perplexity. Takes minutes for a small model; models come and go one by one.
#   tools/accuracy.sh NIBBLE MODEL TEXT [CHUNKS]
set -euo pipefail
[ "$#" -ge 3 ] || { sed -n '4s/^#   /usage: /p' "$0" >&2; exit 2; }
nibble=$1 model=$2 text=$3 chunks=${4:-10}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=$work/base.gguf
"$nibble" quantize "$model" -o "$base" --type f32 --quiet > "$work/log"

echo '| type | bits per weight | KL divergence | same first token | perplexity |'
echo '| --- | --- | --- | --- | --- |'
row() {  # FLAGS OF quantize...
  local size name
  "$nibble" quantize "$model" -o "$work/m.gguf" "$@" --quiet --json > "$work/quantize.json"
  "$nibble" eval "$work/m.gguf" --kld "$text" --base "$base" --chunks "$chunks" --quiet --json "$work/eval.json" > "$work/log"
  python3 - "$work/quantize.json" "$work/eval.json" "$*" <<'PY'
import json, sys
size, result = (json.load(open(path)) for path in sys.argv[1:3])
name = sys.argv[3].replace("--type ", "").replace("--", "").upper()
print(f"| {name} | {size['bits_per_weight']:.2f} | {result['kld']:.4f} ± {result['kld_stderr']:.4f} | "
      f"{100 * result['top1_agreement']:.1f} % | {result['perplexity']:.2f} (float32: {result['base_perplexity']:.2f}) |",
      flush=True)
PY
}
for type in q8_0 q6_k q5_k_m q5_1 q5_0 q4_k_m q4_1 q4_0 iq4_nl iq4_xs mxfp4 q3_k_m q2_k int8; do row --type "$type"; done
for group in 32 64 128; do row --type int4 --group "$group" --asymmetric; done
row --type int4 --group 128
row --type nf4 --double-quant
row --type fp4 --double-quant
