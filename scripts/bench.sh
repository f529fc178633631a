#!/usr/bin/env bash
# Run the benches; each prints its figures and writes them to bench/results/. Usage: bench.sh [NAME...]
# Names: cortex answers service dreaming (those without a name), flowing governor hook, transformer_eval,
# memexfs_tools memexfs_idle memexfs_peers and the other memexfs_* (docs/guides/benchmarks.md), peers: others beside
# us, into docs/reference/benchmarks.md.
# NEXUS_DATA is the folder with the public data sets (docs/fastapi, and what docs/guides/benchmarks.md names).
set -eu
cd "$(dirname "$0")/.."
[ -d "${NEXUS_DATA:-}" ] || {
    echo "NEXUS_DATA does not name a folder with data sets: NEXUS_DATA=FOLDER make bench" >&2
    exit 2
}
scripts/setup.sh dev
scripts/test-models.sh
PATH="$PWD/.venv/bin:$PATH"
[ $# -gt 0 ] || set -- cortex service dreaming answers

for name in "$@"; do
    echo "== $name"
    if [ "$name" = cortex ]; then
        NEXUS_MODELS_FOLDER="${NEXUS_TEST_MODELS:-build/models}" \
            nexus bench cortex --data "$NEXUS_DATA" --json bench/results/cortex.json
        continue
    fi
    if [ "$name" = peers ]; then
        # What cannot be installed here is named, and the rest goes on.
        PYTHONPATH=bench python -m peers --models "${NEXUS_TEST_MODELS:-build/models}" --json bench/results/peers.json || true
        PYTHONPATH=bench python -m peers.page
        continue
    fi
    if [ "$name" = answers ]; then
        # A service of its own, with the user's models and nothing but the FastAPI documentation.
        nexus models pull
        NEXUS_MODELS_FOLDER=$(dirname "$(nexus models path granite-embedding-30m-english)")
        NEXUS_HOME=$(mktemp -d)
        export NEXUS_MODELS_FOLDER NEXUS_HOME NEXUS_SERVICE_PORT=8765
        trap 'nexus down; rm -rf "$NEXUS_HOME"' EXIT
        nexus up --detach >/dev/null
        nexus add --quiet "$NEXUS_DATA/docs/fastapi/docs"
    fi
    # Some have an option of their own for the file, some need the tests' own makers of files.
    option=--json
    case "$name" in hook | memexfs_extract | memexfs_store) option=--out ;; esac
    PYTHONPATH=. python "bench/$name.py" "$option" "bench/results/${name/memexfs_/memexfs-}.json"
done
