#!/bin/sh
# Replaces the replicas one after the other by new ones, of the image that `docker compose build` or
# `pull` brought: a new one is waited for until it is ready, then an old one drains and goes.
#   sh docker/roll.sh [seconds to wait for each, 60 by default]
set -eu
cd "$(dirname "$0")/.."
patience_s=${1:-60}
compose() { docker compose -f docker-compose.yml -f docker/compose.scale.yml "$@"; }

old=$(compose ps --quiet service)
[ -n "$old" ] || { echo "no replica runs" >&2; exit 1; }
number=$(echo "$old" | wc -l)
for replica in $old; do
    compose up --detach --no-deps --no-recreate --no-build --scale "service=$((number + 1))" \
        --wait --wait-timeout "$patience_s" service
    docker stop --time 40 "$replica" > /dev/null
    docker rm "$replica" > /dev/null
    echo "replaced $(echo "$replica" | cut -c1-12)"
done
