#!/usr/bin/env bash
# Fetch the two small models of the tests, once, into build/models (or NEXUS_TEST_MODELS).
set -eu
cd "$(dirname "$0")/.."
export NEXUS_HOME="$PWD/build/test-home"
export NEXUS_MODELS_FOLDER=${NEXUS_TEST_MODELS:-$PWD/build/models}
for model in all-minilm-l6-v2 granite-embedding-30m-english smollm2-135m; do
    .venv/bin/nexus models pull "$model"
done
