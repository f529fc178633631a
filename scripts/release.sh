#!/usr/bin/env bash
# Make the source archive and, from that alone, the wheel; then install the wheel where there is no checkout, start
# the service there and look at it. Usage: release.sh [FOLDER], default dist.
# Packages come from where pip and uv are told to look, by their own settings.
set -eu
folder=$(mkdir -p "${1:-dist}" && cd "${1:-dist}" && pwd)
cd "$(dirname "$0")/.."
scripts/setup.sh dev
PATH="$PWD/.venv/bin:$PATH"
rm -f "$folder"/nexusos-*
# uv makes the wheel from the archive that it has just made, in a folder of its own.
python -m uv build --quiet --no-build-isolation --python .venv/bin/python --out-dir "$folder"
python scripts/try_wheel.py "$folder"/nexusos-*.whl
ls -l "$folder"
