#!/usr/bin/env bash
# Build the C libraries with their tests under the address and undefined-behaviour sanitizers; run them.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
cmake -S . -B build/native -G Ninja --log-level=WARNING \
    -DCMAKE_BUILD_TYPE=Debug -DNEXUS_PYTHON=OFF -DNEXUS_SANITIZE=ON >/dev/null
cmake --build build/native -- --quiet
ctest --test-dir build/native --parallel 2 --output-on-failure --no-tests=error
