#!/usr/bin/env python3
"""Ask over and over until another version answers: a swap loses no request.

python keep_asking.py shapes/disc/0.png --until shapes/2
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from ask import ask, wait_until_ready

PAUSE_S = 0.1


def keep_asking(url: str, picture: bytes, until: str, seconds: float) -> Counter[str]:
    """Count the answers of each version, until the one waited for has answered.

    Raises:
        urllib.error.HTTPError: a request was not answered with 200.
        TimeoutError: that version did not answer in that time.
    """
    answers: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        model = ask(url, picture, top_k=1)["model"]
        version = f"{model['name']}/{model['version']}"
        answers[version] += 1
        if version == until:
            return answers
        time.sleep(PAUSE_S)
    message = f"{until} did not answer within {seconds:g} s; so far: {dict(answers)}"
    raise TimeoutError(message)


def main() -> None:
    """Ask, and print who answered."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--until", required=True, metavar="NAME/VERSION")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    wait_until_ready(options.url, seconds=120)
    found = keep_asking(options.url, options.picture.read_bytes(), options.until, options.seconds)
    for version, count in sorted(found.items()):
        print(f"{count} answers by {version}, none refused")


if __name__ == "__main__":
    main()
