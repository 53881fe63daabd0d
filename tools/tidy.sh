#!/usr/bin/env bash
# Runs clang-tidy over the sources of a configured build directory, or over those named, on all cores. The
# folders of instruction sets are left out: intrinsics are nothing but findings to it, and it does not know the
# flags that they are compiled with.
#   tools/tidy.sh BUILD [FILE...]
set -euo pipefail
build=$1
shift
if [ "$#" -eq 0 ]; then
  mapfile -t files < <(git ls-files 'src/*.cpp' | grep -vE '/(avx2|avx_vnni|avx512|vnni|amx)/')
else
  files=("$@")
fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet
