#!/usr/bin/env bash
# Write the generated pages of docs/ and share/ again. A test fails when they are stale.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh dev
.venv/bin/python -m scripts.gen_cli_reference docs/reference/cli.md
.venv/bin/python -m scripts.gen_sandbox_reference docs/reference/sandbox-python.md
.venv/bin/python -m scripts.gen_man share/man/man1/nexus.1
completion() { mkdir -p "${2%/*}" && .venv/bin/nexus completion "$1" >"$2"; }
completion bash share/bash-completion/completions/nexus
completion zsh share/zsh/site-functions/_nexus
completion fish share/fish/vendor_completions.d/nexus.fish
