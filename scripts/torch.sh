#!/usr/bin/env bash
# Put torch's CPU build into .venv, which scripts/setup.sh dev has made. Usage: torch.sh
# Leaves alone a torch that is there and new enough, one for a GPU too. Never fetches a build for a GPU.
# Looks where pip looks (its indexes, its find-links), then in the index that uv knows for torch's CPU builds.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python

new_enough() {
    $python - 2>/dev/null <<'END'
import sys
from importlib.metadata import version
sys.exit(tuple(map(int, version("torch").split(".")[:2])) < (2, 11))
END
}
! new_enough || exit 0

found=
# As pip does: what the system trusts is trusted.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
if $python -m uv --version >/dev/null 2>&1; then
    # uv does not read pip's settings.
    if [ -z "${UV_FIND_LINKS:-}" ]; then
        places=${PIP_FIND_LINKS:-$($python -m pip config get global.find-links 2>/dev/null || true)}
        UV_FIND_LINKS=$(printf '%s' "$places" | tr -s ' \n' ',,')
        export UV_FIND_LINKS
    fi
    install="$python -m uv pip install --quiet --python $python --no-deps -r requirements-torch.txt"
    $install 2>.venv/torch.log || $install --torch-backend cpu 2>>.venv/torch.log || found=no
else
    $python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-torch.txt \
        2>.venv/torch.log || found=no
fi
[ -z "$found" ] || {
    echo "torch's CPU build cannot be had here (.venv/torch.log has why), so the transformer's tests are skipped;" \
        "with its wheel in a folder: PIP_FIND_LINKS=FOLDER scripts/torch.sh" >&2
    exit 1
}
