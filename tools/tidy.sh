#!/usr/bin/env bash
# Runs clang-tidy over the sources of a configured build directory, or over those named.
#   tools/tidy.sh BUILD [FILE...]
set -euo pipefail
build=$1
shift
if [ "$#" -eq 0 ]; then
  mapfile -t files < <(git ls-files 'src/*.cpp' ':!*/avx2/*' ':!*/avx512/*')
else
  files=("$@")
fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet
