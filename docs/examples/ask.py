#!/usr/bin/env python3
"""Ask a running service what a picture shows, and which layer said so.

python ask.py shapes/disc/0.png
python ask.py horse.png --json > answer.json
"""

import argparse
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def ask(url: str, picture: bytes, top_k: int) -> dict[str, Any]:
    """Send one picture; the body is the file itself.

    Raises:
        urllib.error.HTTPError: the service refused it; the body of the error says why.
    """
    address = f"{url}/predict?explain=true&top_k={top_k}"
    request = urllib.request.Request(  # noqa: S310  the address is the user's own
        address, picture, {"Content-Type": "application/octet-stream"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  likewise
        found: dict[str, Any] = json.load(answer)
    return found


def wait_until_ready(url: str, seconds: float) -> None:
    """Ask for the service's health until it is ready.

    Raises:
        TimeoutError: it was not ready in that time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/health/ready", timeout=5)  # noqa: S310  likewise
        except OSError:  # not listening yet, or 503
            time.sleep(0.2)
        else:
            return
    message = f"{url} was not ready within {seconds:g} s"
    raise TimeoutError(message)


def table(answer: dict[str, Any]) -> str:
    """Write an answer as a table: a row per class, its contributions and their sum."""
    classes = answer["predictions"][0]["classes"]
    layers = [part["layer"] for part in classes[0]["layers"]]
    rows = [["class", "probability", *layers, "goodness"]]
    for each in classes:
        numbers = [part["contribution"] for part in each["layers"]] + [each["goodness"]]
        rows.append(
            [each["label"], f"{each['probability']:.3f}"] + [f"{number:+.3f}" for number in numbers]
        )
    model = answer["model"]
    lines = ["".join(f"{cell:>12}" for cell in row) for row in rows]
    return "\n".join([f"answered by {model['name']}/{model['version']}", *lines])


def main() -> None:
    """Ask once, and print the answer."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--top-k", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the answer as it came")
    options = parser.parse_args()
    wait_until_ready(options.url, seconds=120)
    try:
        answer = ask(options.url, options.picture.read_bytes(), options.top_k)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        parser.exit(1, f"{problem['status']} {problem['title']}: {problem['detail']}\n")
    print(json.dumps(answer) if options.json else table(answer))


if __name__ == "__main__":
    main()
