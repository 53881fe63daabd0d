#!/usr/bin/env bash
# Makes a Python environment with the packages of a requirements file, once per content of that file.
#   tools/venv.sh DIRECTORY REQUIREMENTS
set -euo pipefail
directory=$1 requirements=$2
stamp="$directory/requirements.installed"
cmp -s "$requirements" "$stamp" && exit 0
rm -rf "$directory"
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$stamp"
