#!/bin/sh
# Makes a virtual environment: scripts/venv.sh FOLDER
#
# Finds a Python that is new enough (PYTHON=... overrides), mends one that comes without venv (Debian and Ubuntu keep it in a
# package of its own) when root, and otherwise ends with one line that says what to do. Needs nothing but a POSIX shell.
set -eu

venv=$1
minimum="3.11"

say() { printf 'runwire setup: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    # `command -v` alone would name a version manager's shim that answers nothing; ask it for its version.
    found=$("${PYTHON:-python3}" -c 'import sys; print("%d.%d at %s" % (*sys.version_info[:2], sys.executable))' 2>/dev/null || echo "none")
    die "Python $minimum or newer is needed, found: $found. Install one, or name it: make PYTHON=/path/to/python3.12 ..."
}

has_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

mend_venv() {
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! command -v apt-get >/dev/null 2>&1; then
        die "$1 has no venv and ensurepip modules; install them (Debian, Ubuntu: $package)."
    fi
    if [ "$(id -u)" -ne 0 ]; then
        die "$1 has no venv and ensurepip modules; run: sudo apt-get install -y $package"
    fi
    say "$1 has no venv module; installing $package with apt-get"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { apt-get update && apt-get install -y --no-install-recommends "$package"; } >"$log" 2>&1 </dev/null; then
        tail -n 3 "$log" >&2
        die "$1 has no venv module and apt-get could not install $package (its last lines stand above)."
    fi
    has_venv "$1" || die "$1 has no venv module even with $package installed; name another Python: make PYTHON=..."
}

python=$(find_python) || exit 1
has_venv "$python" || mend_venv "$python"

# --clear: a half-made folder (Ctrl-C, full disk) never passes for a finished one.
"$python" -m venv --clear "$venv" || die "$python could not make a virtual environment in $venv (its message stands above)."
"$venv/bin/python" -m pip --version >/dev/null || die "the virtual environment in $venv has no pip; remove the folder and try again."
say "virtual environment in $venv: $("$venv/bin/python" --version)"
