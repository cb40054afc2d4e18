#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the servers that the tests start: Redis and MariaDB from Debian's packages, dynalite and Azurite from npm.
# With the argument `bench`: nginx and aria2 instead, for make bench-transfer.
# With the argument `stack`: PostgreSQL, Redis and curl, for make stack.
# With the argument `browser`: Chromium and a font, for make test-browser and make screenshots.
# Where they are there already it does nothing, and needs no rights. A service that a package starts is not used: the
# tests' servers have ports, data and passwords of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
python=${PYTHON:-python3}

missing=()
if [ "${1:-}" = bench ]; then
    command -v nginx >/dev/null || missing+=(nginx)
    command -v aria2c >/dev/null || missing+=(aria2)
elif [ "${1:-}" = stack ]; then
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v curl >/dev/null || missing+=(curl)
    command -v wget >/dev/null || missing+=(wget)
elif [ "${1:-}" = browser ]; then
    command -v chromium >/dev/null || missing+=(chromium)
    fc-list 2>/dev/null | grep -q DejaVuSans || missing+=(fontconfig fonts-dejavu-core)
else
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || missing+=(mariadb-server)
    command -v npm >/dev/null && command -v node >/dev/null || missing+=(nodejs npm)
fi

if ((${#missing[@]})); then
    if ! command -v apt-get >/dev/null; then
        echo "dev/servers.sh: install ${missing[*]} by your system's package manager: ${1:-the tests} needs them" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "dev/servers.sh: the tests need ${missing[*]}: run 'apt-get install ${missing[*]}' as root" >&2
            exit 1
        fi
    fi
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -20 "$log" >&2
        echo "dev/servers.sh: could not install ${missing[*]}; the whole log is in $log" >&2
        exit 1
    fi
    rm "$log"
fi

[ -n "${1:-}" ] || "$python" -m tests.servers.npm
