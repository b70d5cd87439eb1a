"""Images that no camera took: noise, flat colours, text and drawings, by the program itself."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

# Drawn larger and shrunk, so that strokes have soft edges as a scan or a screenshot has.
_LARGER = 4
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.:-?!()"
_PAPER, _INK = (225, 256), (0, 90)


def drawn(height: int, width: int, number: int = 2000) -> Mapping[str, Tensor]:
    """Draw what no camera took: `(number, height, width, 3)` each, uint8."""
    chance = torch.Generator().manual_seed(0)
    size = (number, height, width, 3)
    noise = torch.randint(0, 256, size, dtype=torch.uint8, generator=chance)
    grey = (torch.randn((*size[:3], 1), generator=chance) * 40 + 128).clamp(0, 255)
    flat = torch.randint(0, 256, (number, 1, 1, 3), dtype=torch.uint8, generator=chance)
    lines = np.random.default_rng(0)
    return {
        "noise": noise,
        "grey noise": grey.to(torch.uint8).expand(size),
        "flat colour": flat.expand(size),
        "text": _stacked(_text(lines, height, width) for _ in range(number)),
        "drawings": _stacked(_drawing(lines, height, width) for _ in range(number)),
    }


def _stacked(pictures: Iterable[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))


def _text(chance: np.random.Generator, height: int, width: int) -> Image.Image:
    """Write a few lines of letters, dark on light."""
    page = Image.new("RGB", (_LARGER * width, _LARGER * height), _colour(chance, _PAPER))
    pen, ink = ImageDraw.Draw(page), _colour(chance, _INK)
    size = float(chance.uniform(0.15, 0.6)) * page.height
    font = ImageFont.load_default(size)
    top, left = float(chance.uniform(-4, 4)), float(chance.uniform(-4, 4))
    while top < page.height:
        words = "".join(chance.choice(list(_LETTERS + "   "), 20))
        pen.text((left, top), words, ink, font)
        top += 1.2 * size
    return page.resize((width, height), Image.Resampling.BOX)


def _drawing(chance: np.random.Generator, height: int, width: int) -> Image.Image:
    """Draw a few strokes, outlines and filled shapes on paper."""
    page = Image.new("RGB", (_LARGER * width, _LARGER * height), _colour(chance, _PAPER))
    pen = ImageDraw.Draw(page)
    for _ in range(int(chance.integers(2, 7))):
        points = chance.uniform(0, page.width, (int(chance.integers(2, 5)), 2))
        corners = [tuple(map(float, point)) for point in points]
        stroke = int(chance.integers(2, 8))
        ink = _colour(chance, _INK if chance.random() < 0.7 else (0, 256))  # noqa: PLR2004
        match int(chance.integers(3)):
            case 0:
                pen.line(corners, ink, stroke)
            case 1:
                low, high = points[:2].min(0), points[:2].max(0) + 1
                pen.ellipse((*map(float, low), *map(float, high)), outline=ink, width=stroke)
            case _:
                pen.polygon([*corners, corners[0]], outline=ink, width=stroke)
    return page.resize((width, height), Image.Resampling.BOX)


def _colour(chance: np.random.Generator, between: tuple[int, int]) -> tuple[int, int, int]:
    red, green, blue = chance.integers(*between, 3)
    return int(red), int(green), int(blue)
