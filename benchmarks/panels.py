"""A small picture: panels side by side, a line for each name, over whole numbers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from benchmarks.curve import FAINT, INK, Scale, spread

PANEL, TOP, BOTTOM, HEIGHT = 400, 96, 380, 450
_LEFT, _RIGHT, _RADIUS = 70, 24, 5
_COLOURS = ((33, 145, 140), (200, 80, 50), (90, 90, 160), (190, 150, 40))


class Panel(NamedTuple):
    """One panel: its title, and by name the points of a line, from left to right."""

    title: str
    lines: Mapping[str, Sequence[tuple[int, float]]]


def draw(panels: Sequence[Panel], title: str) -> Image.Image:
    """Draw the panels, each with an axis of its own that begins at 0; one legend for all."""
    canvas = Image.new("RGB", (PANEL * len(panels), HEIGHT), "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((_LEFT, 12), title, INK, _font(20))
    _legend(pen, list(panels[0].lines))
    for number, panel in enumerate(panels):
        _panel(pen, panel, number * PANEL)
    return canvas.quantize(32, dither=Image.Dither.NONE)


def _legend(pen: ImageDraw.ImageDraw, names: Sequence[str]) -> None:
    x = float(_LEFT)
    for name, colour in zip(names, _COLOURS, strict=False):
        pen.ellipse((x, 48, x + 2 * _RADIUS, 48 + 2 * _RADIUS), fill=colour)
        pen.text((x + 16, 53), name, INK, _font(16), "lm")
        x += 40 + pen.textlength(name, _font(16))


def _panel(pen: ImageDraw.ImageDraw, panel: Panel, left: int) -> None:
    points = [point for line in panel.lines.values() for point in line]
    places = sorted({x for x, _ in points})
    low, high = (places[0], places[-1]) if len(places) > 1 else (places[0] - 1, places[0] + 1)
    across = Scale(low, high, 1, left + _LEFT + 10, left + PANEL - _RIGHT)
    up = spread([0, *(y for _, y in points)], BOTTOM, TOP)
    for value in up.ticks():
        y = up.place(value)
        pen.line((left + _LEFT, y, left + PANEL - _RIGHT, y), fill=FAINT)
        pen.text((left + _LEFT - 8, y), f"{value:g}", INK, _font(14), "rm")
    for x in places:
        pen.text((across.place(x), BOTTOM + 10), str(x), INK, _font(14), "mt")
    pen.text((left + (_LEFT + PANEL) / 2, BOTTOM + 34), panel.title, INK, _font(16), "mt")
    for line, colour in zip(panel.lines.values(), _COLOURS, strict=False):
        found = [(across.place(x), up.place(y)) for x, y in line]
        pen.line(found, fill=colour, width=3)
        for place_x, place_y in found:
            pen.ellipse(_around(place_x, place_y), fill=colour)


def _around(x: float, y: float) -> tuple[float, float, float, float]:
    return x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
