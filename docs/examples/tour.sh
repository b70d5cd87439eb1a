#!/bin/sh
# From a folder of pictures to an explained answer and a hot swap, in about half a minute:
#
#   PATH=$PWD/.venv/bin:$PATH docs/examples/tour.sh tour
#
# Everything lands in the folder that is named; PORT is where the service listens.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
url=http://127.0.0.1:${PORT:-8000}
mkdir -p "$1"
cd "$1"

# 1. Pictures to learn from, one sub-folder per class; and a few that no training sees.
python "$here/draw_shapes.py" shapes
python "$here/draw_shapes.py" unseen --per-class 1 --seed 1

# 2. Train, export with the checks, publish as shapes/1 and make it the active version.
# Small and short, so that you need not wait; leave these settings out for your own pictures.
short="--image-size 24 --widths 16,32,64 --pool-before 2,3 --epochs 6 --batch-size 16 --threads 1 --quiet"
# shellcheck disable=SC2086  several words, on purpose
goodserve-train fit folder:shapes --run runs/first $short --publish models

# 3. Serve it.
goodserve serve --repository models --port "${PORT:-8000}" --device cpu 2>service.log &
service=$!
trap 'kill $service ${client:-} 2>/dev/null || true' EXIT

# 4. Ask: each class's goodness is the sum of the layers' contributions.
python "$here/ask.py" unseen/disc/0.png --url "$url"

# 5. Train and publish a second version while a client asks without a pause.
python "$here/keep_asking.py" unseen/disc/0.png --url "$url" --until shapes/2 &
client=$!
# shellcheck disable=SC2086
goodserve-train fit folder:shapes --run runs/second --seed 1 $short --publish models
wait $client

# 6. Back to the first version: the service notices within a second.
goodserve models rollback --repository models
goodserve models list --repository models
python "$here/keep_asking.py" unseen/disc/0.png --url "$url" --until shapes/1
