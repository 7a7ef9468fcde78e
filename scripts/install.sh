#!/bin/sh
# Set up .venv in the checkout and install the given requirement files into it. Used by the Makefile.
#   scripts/install.sh requirements.txt [more.txt ...]
# uv does it in seconds where it is present; else, or where it fails, python's own venv and pip.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$name" ] || continue
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "No Python 3.11, 3.12 or 3.13 was found. Install one, or name it: make PYTHON=/path/to/python install" >&2
    exit 1
}

if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    "$python" -m venv .venv 2>/dev/null || {
        rm -rf .venv
        command -v uv >/dev/null && uv venv --quiet --seed --python "$python" .venv
    } || {
        echo "$python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    }
fi

options=""
for file in "$@"; do
    options="$options -r $file"
done
# shellcheck disable=SC2086
if command -v uv >/dev/null && uv pip install --quiet --python .venv/bin/python $options; then
    exit 0
fi
# shellcheck disable=SC2086
exec .venv/bin/python -m pip install --quiet --disable-pip-version-check $options
