#!/usr/bin/env bash
# Build the native libraries with their tests under the address and undefined-behaviour sanitizers; run them.
# Usage: test-native.sh [--without-engine | --engine]: without it the minutes of its build are spared; or its tests alone.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
engine=ON
tests=
case "${1:-}" in
--without-engine) engine=OFF ;;
--engine) tests='-R ^engine' ;;
esac
# -O1 is what the sanitizers are made for: the same tests in a third of the time.
cmake -S . -B build/native -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-g -O1" \
    -DNEXUS_PYTHON=OFF -DNEXUS_SANITIZE=ON -DNEXUS_ENGINE=$engine >/dev/null
cmake --build build/native -- --quiet
# shellcheck disable=SC2086
ctest --test-dir build/native $tests --parallel 2 --output-on-failure --no-tests=error
