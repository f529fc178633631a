#!/usr/bin/env bash
# From a clone to a running service that knows these docs. Run it as often as you like.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
PATH="$PWD/.venv/bin:$PATH"

# The Python that agents' code runs in, built while the models are fetched. Nothing below needs it.
mkdir -p build
nice nexus unikernel build </dev/null >build/sandbox.log 2>&1 &
sandbox=$!
trap 'kill $sandbox 2>/dev/null || true' EXIT
nexus models pull
nexus up --detach
nexus add docs --quiet
# Where it still works: says so, and waits.
tail -n +1 -f -s 0.2 --pid=$sandbox build/sandbox.log | grep --line-buffered '^Building' >&2 || true
wait $sandbox || cat >&2 <<END
Left out: the sandbox for agents' code. $(tail -n 1 build/sandbox.log | sed 's/^nexus: //')
Once that is mended: nexus unikernel build. What is missing: nexus unikernel doctor
END
cat <<'END'

Ask it something:   .venv/bin/nexus ask "How do I add my own documents?"
Give it documents:  .venv/bin/nexus add FOLDER
Have it remember:   .venv/bin/nexus remember "the staging database listens on port 6543"
Stop it:            .venv/bin/nexus down
END
