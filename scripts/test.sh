#!/usr/bin/env bash
# The fast suite: C tests under the sanitizers, then pytest without the tests that are marked slow.
# Usage: test.sh [--system [--quick]] [PYTEST ARGUMENT...]
# --system runs the rest instead: all rounds of the native tests and those of the engine, what is slow in the other
# folders and tests/system (guests of LibOS first, two files at once); with --quick, which is what CI has the time
# for, nothing that is slow of tests/system.
# NEXUS_TEST_COVERAGE=1 prints the coverage of src/nexus before pytest's last line; that takes a quarter longer.
set -eu
cd "$(dirname "$0")/.."
# Hundreds of processes are started, and each would compile again what it imports.
unset PYTHONDONTWRITEBYTECODE
folders=$(find tests -mindepth 1 -maxdepth 1 -type d ! -name system ! -name '_*' | sort)
coverage=
[ "${NEXUS_TEST_COVERAGE:-0}" = 0 ] || coverage="--cov --cov-report=term:skip-covered"
native=--without-engine
# A file is one worker's, so that the service it starts is started once.
workers="-n ${NEXUS_TEST_WORKERS:-2} --dist loadfile"
chosen="not slow"
system=
if [ "${1:-}" = --system ]; then
    shift
    system=all
    coverage=
    native=--long
    chosen=
    if [ "${1:-}" = --quick ]; then
        shift
        system=quick
        chosen="not slow"
    fi
fi
scripts/setup.sh dev
scripts/test-models.sh
scripts/test-native.sh "$native"
NEXUS_TEST_MODELS=${NEXUS_TEST_MODELS:-$PWD/build/models}
export NEXUS_TEST_MODELS PATH="$PWD/.venv/bin:$PATH"
status=0
if [ -n "$system" ]; then
    if [ $# -eq 0 ]; then
        # Guests measure nothing, and nearly all of their time is their own; other tests here have the machine alone.
        # shellcheck disable=SC2086
        python -m pytest tests/system/libos tests/system/unikernel -m "$chosen" $workers || status=$?
        # shellcheck disable=SC2086
        python -m pytest $folders -m slow $([ $system = all ] || echo "$workers") || status=$?
        set -- --ignore=tests/system/libos --ignore=tests/system/unikernel
    fi
    folders=tests/system
    workers=
fi
# shellcheck disable=SC2086
python -m pytest $folders -m "$chosen" $coverage $workers "$@" || status=$?
exit "$status"
