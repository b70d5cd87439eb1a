#!/usr/bin/env python3
"""Draw a folder of pictures to learn from: one sub-folder per class.

python draw_shapes.py shapes --per-class 100
"""

import argparse
import random
from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 48
CLASSES = ("cross", "disc", "square")


def draw(label: str, chance: random.Random) -> Image.Image:
    """Draw one bright shape of any place and size on a dark background."""
    dark = tuple(chance.randrange(90) for _ in range(3))
    bright = tuple(chance.randrange(160, 256) for _ in range(3))
    picture = Image.new("RGB", (SIDE, SIDE), dark)
    pen = ImageDraw.Draw(picture)
    radius = chance.randrange(12, 18)
    x, y = (chance.randrange(radius + 2, SIDE - radius - 2) for _ in range(2))
    box = (x - radius, y - radius, x + radius, y + radius)
    if label == "disc":
        pen.ellipse(box, fill=bright)
    elif label == "square":
        pen.rectangle(box, fill=bright)
    else:
        arm = radius // 3
        pen.rectangle((x - radius, y - arm, x + radius, y + arm), fill=bright)
        pen.rectangle((x - arm, y - radius, x + arm, y + radius), fill=bright)
    return picture


def main() -> None:
    """Write the folder; the same seed draws the same pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-class", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    for label in CLASSES:
        folder = options.folder / label
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(options.per_class):
            draw(label, chance).save(folder / f"{number}.png")
    print(f"drew {len(CLASSES)} x {options.per_class} pictures in {options.folder}")


if __name__ == "__main__":
    main()
