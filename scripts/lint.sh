#!/usr/bin/env bash
# Style, types and shell syntax; every check runs, then one exit status.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh dev
PATH="$PWD/.venv/bin:$PATH"
status=0
ruff check --quiet || status=1
ruff format --check --quiet || { echo "not formatted; run: make format" >&2 && status=1; }
# shellcheck disable=SC2046
mypy src tests scripts $(git ls-files -co --exclude-standard 'bench/*.py') || status=1
for script in $(git ls-files -co --exclude-standard '*.sh') .ci/run; do
    bash -n "$script" || status=1
done
exit "$status"
