#!/usr/bin/env bash
# Build the native libraries with their tests under the address and undefined-behaviour sanitizers; run them.
# Usage: test-native.sh [--without-engine | --long]: without it the minutes of its build are spared; or with all
# rounds of what draws at random.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
engine=ON
long=OFF
case "${1:-}" in
--without-engine) engine=OFF ;;
--long) long=ON ;;
esac
# -O1 is what the sanitizers are made for: the same tests in a third of the time.
cmake -S . -B build/native -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-g -O1" \
    -DNEXUS_PYTHON=OFF -DNEXUS_SANITIZE=ON -DNEXUS_ENGINE=$engine -DNEXUS_TEST_LONG=$long >/dev/null
cmake --build build/native -- --quiet
ctest --test-dir build/native --parallel 2 --output-on-failure --no-tests=error
