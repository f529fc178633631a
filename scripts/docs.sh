#!/usr/bin/env bash
# Write the generated pages of docs/ again. A test fails when they are stale.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh dev
.venv/bin/python scripts/gen_cli_reference.py docs/reference/cli.md
.venv/bin/python scripts/gen_sandbox_reference.py docs/reference/sandbox-python.md
