#!/usr/bin/env bash
# Everything: the fast suite, the kernel module in QEMU (skipped, and says why, where that cannot be) and
# tests/system, which drives a browser and kills processes.
set -eu
cd "$(dirname "$0")/.."
scripts/apt.sh scripts/apt-test.txt
scripts/test.sh
status=0
python3 -m scripts.kernel || status=1
scripts/test.sh --system || status=1
exit "$status"
