#!/usr/bin/env bash
# The fast suite: C tests under the sanitizers, then pytest. Usage: test.sh [--system] [PYTEST ARGUMENT...]
# --system runs tests/system and the native tests of the engine instead; guests of LibOS first, two files at once.
# NEXUS_TEST_COVERAGE=1 prints the coverage of src/nexus before pytest's last line; that takes a quarter longer.
set -eu
cd "$(dirname "$0")/.."
folders=$(find tests -mindepth 1 -maxdepth 1 -type d ! -name system ! -name '_*' | sort)
coverage=
[ "${NEXUS_TEST_COVERAGE:-0}" = 0 ] || coverage="--cov --cov-report=term:skip-covered"
native=--without-engine
# A file is one worker's, so that the service it starts is started once.
workers="-n ${NEXUS_TEST_WORKERS:-2} --dist loadfile"
guests=
if [ "${1:-}" = --system ]; then
    folders=tests/system
    guests="tests/system/libos tests/system/unikernel"
    coverage=
    workers=
    native=
    shift
fi
scripts/setup.sh dev
scripts/test-models.sh
# shellcheck disable=SC2086
scripts/test-native.sh $native
NEXUS_TEST_MODELS=${NEXUS_TEST_MODELS:-$PWD/build/models}
export NEXUS_TEST_MODELS PATH="$PWD/.venv/bin:$PATH"
status=0
if [ -n "$guests" ] && [ $# -eq 0 ]; then
    # They measure nothing, and nearly all of their time is a guest's; every other test here has the machine alone.
    # shellcheck disable=SC2086
    python -m pytest $guests -n 2 --dist loadfile || status=$?
    set -- --ignore=tests/system/libos --ignore=tests/system/unikernel
fi
# shellcheck disable=SC2086
python -m pytest $folders $coverage $workers "$@" || status=$?
exit "$status"
