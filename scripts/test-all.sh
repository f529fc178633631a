#!/usr/bin/env bash
# Everything: the fast suite and tests/system, which drives a browser and kills processes.
set -eu
cd "$(dirname "$0")/.."
scripts/apt.sh scripts/apt-test.txt
scripts/test.sh
exec scripts/test.sh --system
