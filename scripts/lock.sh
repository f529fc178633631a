#!/usr/bin/env bash
# Write requirements.lock and requirements-dev.lock again from pyproject.toml.
# Usage: scripts/lock.sh            keeps every version that still fits
#        scripts/lock.sh --upgrade  takes the newest
# Both files name packages, versions and hashes, never a host: docs/decisions/0002-packages.md.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh

compile() {
    .venv/bin/python -m uv pip compile pyproject.toml --group build --quiet --universal \
        --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command scripts/lock.sh "$@"
}
compile "$@" --output-file requirements.lock
compile "$@" --output-file requirements-dev.lock --extra dev --extra fuse --group torch \
    --constraint requirements.lock
