#!/usr/bin/env bash
# Mend what ruff can mend.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh dev
.venv/bin/ruff check --fix --quiet || true # what is left needs a person; `make lint` names it
.venv/bin/ruff format --quiet
