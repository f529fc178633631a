#!/usr/bin/env bash
# Run the benches, each of which prints its figures and writes them to bench/results/.
# Usage: bench.sh [NAME...]; all of bench/*.py without a name.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh dev
scripts/test-models.sh
NEXUS_TEST_MODELS=${NEXUS_TEST_MODELS:-$PWD/build/models}
export NEXUS_TEST_MODELS PATH="$PWD/.venv/bin:$PATH"
[ $# -gt 0 ] || set -- $(cd bench && find . -maxdepth 1 -name '[a-z]*.py' -printf '%f\n' | sort)
status=0
for name in "$@"; do
    echo "== ${name%.py}"
    python "bench/${name%.py}.py" || status=1
done
exit "$status"
