#!/usr/bin/env bash
# Build the native libraries with their tests under the address and undefined-behaviour sanitizers; run them.
# Usage: test-native.sh [--without-engine], which spares the minutes that its build takes.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
engine=ON
[ "${1:-}" != --without-engine ] || engine=OFF
cmake -S . -B build/native -G Ninja --log-level=WARNING \
    -DCMAKE_BUILD_TYPE=Debug -DNEXUS_PYTHON=OFF -DNEXUS_SANITIZE=ON -DNEXUS_ENGINE=$engine >/dev/null
cmake --build build/native -- --quiet
ctest --test-dir build/native --parallel 2 --output-on-failure --no-tests=error
