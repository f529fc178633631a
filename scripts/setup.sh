#!/usr/bin/env bash
# Make .venv: the locked packages and nexus itself, editable. Usage: setup.sh [dev]
# Does nothing when what it would read is unchanged since it last worked.
set -eu
cd "$(dirname "$0")/.."
set_name=${1:-run}

stamp=.venv/nexus-$set_name.stamp
inputs="requirements.lock requirements-dev.lock requirements-torch.txt pyproject.toml CMakeLists.txt $(find native -type f | sort) scripts/setup.sh scripts/torch.sh"
# The folder is part of it: an environment does not survive being moved. So are the names of the
# modules: an editable install knows each by its place.
# shellcheck disable=SC2086
now=$(pwd; sha256sum $inputs; find src -name '*.py' | sort | sha256sum)
[ "$(cat "$stamp" 2>/dev/null)" != "$now" ] || exit 0

scripts/apt.sh scripts/apt.txt

python=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$name
        break
    fi
done
[ -n "$python" ] || {
    echo "Python 3.11 or newer is needed; ${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1)." >&2
    echo "Install one and name it: PYTHON=/path/to/python3.11 make up" >&2
    exit 1
}
if ! [ "$(cat .venv/nexus.folder 2>/dev/null)" = "$(pwd)" ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    echo "Making .venv with $("$python" -V)" >&2
    "$python" -m venv --clear .venv
    pwd >.venv/nexus.folder
fi

lock=requirements.lock
[ "$set_name" = run ] || lock=requirements-$set_name.lock
# As pip does: a company's own authority, which the system trusts, is trusted here too.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
# uv, at the lock's own version and hashes; where it cannot be had, pip does the same, slower.
part() { awk -v uv="$1" '/^[a-z]/ { on = /^uv==/ == uv } on' "$lock" >".venv/$2"; }
part 1 uv.lock
part 0 others.lock
install=".venv/bin/python -m pip install --quiet --disable-pip-version-check"
if $install --require-hashes -r .venv/uv.lock && .venv/bin/python -m uv --version >/dev/null; then
    install=".venv/bin/python -m uv pip install --quiet --python .venv/bin/python"
else
    echo "uv cannot be had here; pip installs instead" >&2
fi
echo "Installing packages ($lock)" >&2
$install --require-hashes -r .venv/others.lock
# Training and its tests; without it the rest stands.
[ "$set_name" = run ] || scripts/torch.sh || true
# So the package was called before 0.1.0; both would own the command.
for old in .venv/lib/python*/site-packages/nexus-*.dist-info; do
    [ ! -d "$old" ] || .venv/bin/python -m pip uninstall --quiet --yes nexus
done
echo "Building nexus" >&2
$install --no-deps --no-build-isolation --editable .
if ! .venv/bin/python -c 'import nexus._native' 2>/dev/null; then
    echo "The native part was left out (no compiler or no Python headers); nexus doctor has more." >&2
    exit 0 # no stamp: the next run tries again
fi
# uv leaves no bytecode, the process that reads documents writes none, and where PYTHONDONTWRITEBYTECODE is set,
# as in many containers, nothing does: each start would compile all it imports, which is half of its time.
env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -P -c '
import nexus.cli.main, nexus.engine.worker, nexus.memexfs.extract_process, nexus.service.server
import markitdown.converters, mcp.server, onnxruntime, openpyxl, pypdfium2.raw, qdrant_edge, xllamacpp' || echo "no bytecode is kept" >&2
printf '%s\n' "$now" >"$stamp"
[ "$set_name" = run ] || printf '%s\n' "$now" >.venv/nexus-run.stamp
