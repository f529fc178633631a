#!/usr/bin/env bash
# Remove what was made here. Downloaded test models stay; NEXUS_HOME is not touched.
set -eu
cd "$(dirname "$0")/.."
rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} +
[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name models -exec rm -rf {} +
