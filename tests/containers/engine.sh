#!/bin/bash
# Brings up what the container tests need, and does nothing where it is there already: a Docker engine, Compose, and
# the two images that everything is built from. What is missing comes from Debian's packages, which needs root.
#
#   tests/containers/engine.sh [DIRECTORY]     logs go to DIRECTORY (default: a temporary one)
set -euo pipefail
# A Python with pip, which Debian's own need not have.
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

# Debian's packages, for the programs that come first: install_for "PROGRAM …" PACKAGE …
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
    # Debian 13 has the command line in a package of its own; in Debian 12 it is in docker.io.
    install_for docker docker-cli
    say "starting dockerd"
    # Not by systemd, which containers and small virtual machines don't have; in a session of its own, to outlive us.
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
    # Debian 12 has no Compose of this century; the wheel holds the maker's own program, and its hash is known.
    "$python" -m pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary :all: \
        --dest "$directory" --requirement "$here/compose-plugin.txt"
    "$python" -m zipfile -e "$directory"/*.whl "$directory"
    mkdir -p "$plugins"
    install -m 755 "$directory"/*.data/scripts/docker-compose "$plugins/docker-compose"
    rm -rf "$directory"
}

# Whether an image is here now: provided PULL_SECONDS IMAGE
provided() {
    docker image inspect "$2" >/dev/null 2>&1 && return
    say "pulling $2"
    timeout "$1" docker pull --quiet "$2" >"$logs/pull.log" 2>&1
}

# An image that can't be pulled, by a script of ours: make_image SCRIPT IMAGE
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
