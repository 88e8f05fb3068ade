#!/bin/sh
# Writes requirements/*.txt anew: exact versions with the hashes of every file of each, and no index address.
# Versions that are pinned already stay unless PINS="--upgrade" or PINS="--upgrade-package name" is given.
set -eu
cd "$(dirname "$0")/.."

tools=.venv/pins
[ -x $tools/bin/pip-compile ] || {
    .venv/bin/python -m venv $tools
    $tools/bin/pip install -qq "pip-tools==7.6.2"
}

# PINS is split on purpose.
# shellcheck disable=SC2086
compile() {
    $tools/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --no-annotate --no-header --no-emit-options \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host ${PINS:-} "$@"
}

# Everything first, then the server's part of it at the same versions.
compile --extra browser --extra video --extra stagehand --extra otel --extra dev -o requirements/dev.txt pyproject.toml requirements/build.in requirements/client.in
compile --extra browser -c requirements/dev.txt -o requirements/run.txt pyproject.toml requirements/build.in requirements/client.in
compile -o requirements/node.txt requirements/node.in
if grep -nE '^--|://' requirements/*.txt; then
    echo "an option or an address got into a pin file (above)" >&2
    exit 1
fi
