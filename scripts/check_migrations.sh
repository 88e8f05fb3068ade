#!/bin/sh
# Migrates an empty database to the newest revision and asks whether the tables of the code are exactly what came out.
set -eu
cd "$(dirname "$0")/.."
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
.venv/bin/runwire db upgrade --data "$data"
.venv/bin/runwire db check --data "$data"
