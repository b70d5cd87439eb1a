"""A small picture: accuracy against throughput, a point for each confidence."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 900, 520
LEFT, TOP, RIGHT, BOTTOM = 110, 70, 850, 430
INK, FAINT, LINE = (35, 40, 48), (214, 218, 224), (33, 145, 140)
_RADIUS = 7


class Point(NamedTuple):
    """One confidence: what it reached, and what is written beside it."""

    images_per_s: float
    accuracy: float
    name: str


class Scale(NamedTuple):
    """Where values lie along one axis: `start` at `low`, `stop` at `high`."""

    low: float
    high: float
    step: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        """Give a value's place, in pixels."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """List the values at which a line is drawn."""
        return [
            self.low + number * self.step
            for number in range(round((self.high - self.low) / self.step) + 1)
        ]


def draw(points: Sequence[Point], title: str) -> Image.Image:
    """Draw the points, joined by a line from the slowest to the fastest."""
    points = sorted(points)
    canvas = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(canvas)
    across = spread([point.images_per_s for point in points], LEFT, RIGHT)
    up = spread([100 * point.accuracy for point in points], BOTTOM, TOP)
    _axes(pen, across, up)
    pen.text((LEFT, 18), title, INK, _font(22))
    places = [(across.place(p.images_per_s), up.place(100 * p.accuracy)) for p in points]
    pen.line(places, fill=LINE, width=3)
    for number, ((x, y), point) in enumerate(zip(places, points, strict=True)):
        pen.ellipse((x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS), fill=LINE)
        # By turns above and below, for neighbours may be close.
        offset, anchor = ((4, -14), "ls") if number % 2 == 0 else ((-4, 14), "rt")
        pen.text((x + offset[0], y + offset[1]), point.name, INK, _font(19), anchor)
    return canvas.quantize(32, dither=Image.Dither.NONE)


def spread(values: Sequence[float], start: float, stop: float) -> Scale:
    """Choose an axis that holds all values, with three to eight round ticks."""
    exact = ((max(values) - min(values)) or 1.0) / 5
    power = 10 ** math.floor(math.log10(exact))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= exact)
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    return Scale(low, high if high > low else low + step, step, start, stop)


def _axes(pen: ImageDraw.ImageDraw, across: Scale, up: Scale) -> None:
    for value in across.ticks():
        x = across.place(value)
        pen.line((x, TOP, x, BOTTOM), fill=FAINT)
        pen.text((x, BOTTOM + 12), f"{value:,.0f}", INK, _font(18), "mt")
    for value in up.ticks():
        y = up.place(value)
        pen.line((LEFT, y, RIGHT, y), fill=FAINT)
        pen.text((LEFT - 12, y), f"{value:.{0 if up.step >= 1 else 1}f} %", INK, _font(18), "rm")
    pen.text(((LEFT + RIGHT) / 2, BOTTOM + 46), "images per second", INK, _font(20), "mt")


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
