#!/usr/bin/env python3
"""Draw an answer: beside the picture, what each layer contributed to each class.

python chart.py answer.json horse.png chart.png
"""

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, ROW, BAR, MARGIN = 1400, 62, 34, 40
PICTURE = 380
LABELS, BARS, END = 480, 750, 1240
INK, FAINT = (35, 40, 48), (150, 156, 164)
# From the first layer to the last: light to dark, and apart for the colour-blind.
COLOURS = ((253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139), (68, 1, 84))


def chart(answer: dict[str, Any], picture: Image.Image) -> Image.Image:
    """Draw the first image's classes, a bar each, cut into the layers' contributions.

    Contributions above 0 are laid end to end to the right of the axis, those below 0 to the
    left: the number at the end of a row, the goodness, is the sum of both.
    """
    classes = answer["predictions"][0]["classes"]
    layers = [part["layer"] for part in classes[0]["layers"]]
    height = max(PICTURE + 2 * MARGIN, 150 + ROW * len(classes) + MARGIN)
    canvas = Image.new("RGB", (WIDTH, height), "white")
    pen = ImageDraw.Draw(canvas)
    canvas.paste(picture.convert("RGB").resize((PICTURE, PICTURE)), (MARGIN, MARGIN))
    _legend(pen, layers)
    axis, scale = _axis([_parts(each) for each in classes])
    for number, each in enumerate(classes):
        _row(pen, each, 150 + ROW * number, axis, scale)
    pen.line((axis, 140, axis, 145 + ROW * len(classes)), fill=INK, width=2)
    return canvas.quantize(64, dither=Image.Dither.NONE)


def _parts(each: dict[str, Any]) -> list[float]:
    return [part["contribution"] for part in each["layers"]]


def _axis(rows: list[list[float]]) -> tuple[float, float]:
    """Give the place of 0 across, and the pixels of one unit of goodness."""
    right = max(sum(part for part in row if part > 0) for row in rows)
    left = max(-sum(part for part in row if part < 0) for row in rows)
    scale = (END - BARS) / ((left + right) or 1)
    return BARS + left * scale, scale


def _legend(pen: ImageDraw.ImageDraw, layers: list[str]) -> None:
    pen.text((LABELS, MARGIN), "class, probability", INK, _font(24), "lt")
    pen.text((WIDTH - MARGIN, MARGIN), "goodness", INK, _font(24), "rt")
    x = BARS
    for number, layer in enumerate(layers):
        pen.rectangle((x, MARGIN, x + 20, MARGIN + 20), fill=_colour(number, len(layers)))
        pen.text((x + 28, MARGIN), layer, INK, _font(24), "lt")
        x += 50 + int(pen.textlength(layer, _font(24)))
    pen.text((BARS, MARGIN + 40), "contribution of each layer", FAINT, _font(22), "lt")


def _row(
    pen: ImageDraw.ImageDraw, each: dict[str, Any], top: int, axis: float, scale: float
) -> None:
    middle, parts = top + BAR // 2, _parts(each)
    pen.text((LABELS, middle), each["label"], INK, _font(30), "lm")
    pen.text((BARS - 40, middle), f"{each['probability']:.3f}", INK, _font(26), "rm")
    ends = [axis, axis]  # of what is drawn so far: below 0, above 0
    for number, part in enumerate(parts):
        side = part > 0
        start, ends[side] = ends[side], ends[side] + part * scale
        box = (min(start, ends[side]), top, max(start, ends[side]), top + BAR)
        pen.rectangle(box, fill=_colour(number, len(parts)))
    pen.text((WIDTH - MARGIN, middle), f"{each['goodness']:+.2f}", INK, _font(26), "rm")


def _colour(number: int, count: int) -> tuple[int, int, int]:
    return COLOURS[round(number * (len(COLOURS) - 1) / max(count - 1, 1))]


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def main() -> None:
    """Read an answer and its picture, write the chart."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("answer", type=Path, help="JSON, as ask.py --json prints it")
    parser.add_argument("picture", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with Image.open(options.picture) as picture:
        drawn = chart(json.loads(options.answer.read_text()), picture)
    drawn.save(options.out, optimize=True)


if __name__ == "__main__":
    main()
