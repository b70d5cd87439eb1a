#!/usr/bin/env python3
"""Draw a horse in a meadow, for the bundled CIFAR-10 model to look at.

python draw_horse.py horse.png
"""

import sys

from PIL import Image, ImageDraw

SKY, MEADOW, COAT, TAIL = (180, 200, 210), (110, 140, 80), (110, 70, 40), (40, 30, 25)


def draw() -> Image.Image:
    """Draw a body, four legs, neck, head and tail: 256 x 256 pixels."""
    picture = Image.new("RGB", (256, 256), SKY)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 190, 256, 256), fill=MEADOW)
    pen.ellipse((60, 100, 180, 160), fill=COAT)
    for left in (76, 96, 146, 166):
        pen.rectangle((left, 145, left + 12, 214), fill=COAT)
    pen.polygon(((150, 120), (190, 60), (210, 70), (180, 140)), fill=COAT)
    pen.polygon(((188, 58), (236, 88), (228, 100), (196, 90)), fill=COAT)
    pen.polygon(((62, 115), (34, 150), (42, 160), (70, 130)), fill=TAIL)
    return picture


if __name__ == "__main__":
    draw().save(sys.argv[1])
