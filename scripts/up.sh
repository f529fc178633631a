#!/usr/bin/env bash
# From a clone to a running service that knows these docs. Run it as often as you like.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
PATH="$PWD/.venv/bin:$PATH"

nexus models pull
# The Python that agents' code runs in; without a compiler or its sources it is left out.
echo "Building the sandbox for agents' code (a minute, the first time)" >&2
if image=$(nexus unikernel build 2>&1 </dev/null); then
    echo "The sandbox for agents' code is ready: nexus unikernel doctor" >&2
else
    echo "The sandbox for agents' code was left out: ${image##*$'\n'}" >&2
fi
nexus up --detach
nexus add docs --quiet
cat <<'END'

Ask it something:   .venv/bin/nexus ask "How do I add my own documents?"
Give it documents:  .venv/bin/nexus add FOLDER
Have it remember:   .venv/bin/nexus remember "the staging database listens on port 6543"
Stop it:            .venv/bin/nexus down
END
