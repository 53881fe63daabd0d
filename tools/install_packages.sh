#!/usr/bin/env bash
# Installs what the build and the tests need from Debian's packages, those that are missing only.
#   tools/install_packages.sh [build|test|browser|bench|lint]...   (default: build)
set -euo pipefail

build=(g++ cmake ninja-build make pkg-config python3 python3-venv libcli11-dev nlohmann-json3-dev
       libfmt-dev libpcre2-dev libutf8proc-dev libhwloc-dev libedit-dev libcpp-httplib-dev libssl-dev zlib1g-dev)
# The web page's; a Node.js from elsewhere brings its npm, beside which Debian's can't be installed.
command -v npm >/dev/null || build+=(nodejs npm)
test=(libgtest-dev libgmock-dev libsimde-dev)
browser=(chromium)
bench=(libbenchmark-dev)
lint=(clang-format clang-tidy)

wanted=()
for set in "${@:-build}"; do
  case "$set" in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    browser) wanted+=("${browser[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    lint) wanted+=("${lint[@]}") ;;
    *) echo "usage: $0 [build|test|browser|bench|lint]..." >&2; exit 2 ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "nibble: install the equivalents of these Debian packages first: ${missing[*]}" >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "nibble: as root, run: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "Installing ${#missing[@]} packages: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
