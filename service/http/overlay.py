"""Evidence drawn over the image it is about, with a legend."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from model.artifact.evidence import Floats
from model.artifact.image import FORMATS, upright_rgb
from model.artifact.spread import spread
from service.http.parts import named
from service.predict.answers import Explained

# Blue and orange: told apart by people who see no red or no green.
_AGAINST, _FOR = np.array([33, 102, 172]), np.array([230, 97, 1])
# Larger pictures are drawn smaller: at twelve megapixels the drawing takes some 150 MB.
MOST_PIXELS = 12_000_000
_STRONGEST = 0.85  # of the overlay, where the evidence is greatest
_LEGEND_HEIGHT, _LEAST_WIDTH, _MARGIN = 46, 260, 6
_INK, _PAPER = (20, 20, 20), (255, 255, 255)


def draw(explained: Explained, file: bytes, layer: str | None) -> bytes:
    """Draw the evidence for the first combination over its picture, as a PNG.

    Args:
        explained: of one image.
        file: that image, as sent.
        layer: whose evidence to draw; None: all layers'.

    Returns:
        The picture upright and at its own size (at most twelve megapixels), grey where the
        evidence would be hard to see; below it a legend that names the class and the numbers.
    """
    cells = evidence_map(explained, layer)
    picture = _opened(file)
    limit = float(np.abs(cells).max()) or 1.0
    painted = _painted(picture, cells / limit)
    label, contrast = named(
        explained.question.factors(explained.evidence.scores)[0, 0], explained.manifest.labels
    )
    name = label if contrast is None else " against ".join(contrast)
    where = "all layers" if layer is None else layer
    title = f"{name}: {float(cells.sum(dtype=np.float64)):+.3f} ({where})"
    buffer = io.BytesIO()
    _with_legend(painted, title, limit).save(buffer, "PNG")
    return buffer.getvalue()


def evidence_map(explained: Explained, layer: str | None) -> Floats:
    """Give the first image's evidence on the input's grid: `(H, W)`, float32."""
    manifest = explained.manifest
    pairs = zip(manifest.layers, explained.evidence.maps, strict=True)
    chosen = [cells[0, 0] for each, cells in pairs if layer in (None, each.name)]
    size = manifest.image_height, manifest.image_width
    total: Floats = np.sum([spread(cells, *size) for cells in chosen], axis=0)
    return total


def _opened(file: bytes) -> Image.Image:
    """Open a file that was decoded before, upright, and no larger than is drawn."""
    with Image.open(io.BytesIO(file), formats=FORMATS) as image:
        picture = upright_rgb(image)
    pixels = picture.width * picture.height
    if pixels > MOST_PIXELS:
        factor = (MOST_PIXELS / pixels) ** 0.5
        picture = picture.resize((int(picture.width * factor), int(picture.height * factor)))
    return picture


def _painted(picture: Image.Image, strength: Floats) -> Image.Image:
    """Lay evidence of -1 to 1 over a picture whose colours are drained."""
    grey = picture.convert("L").convert("RGB")
    backdrop = Image.blend(picture, grey, 0.7)
    colours, opacity = _colours(strength)
    size = picture.size
    layer = Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
    mask = Image.fromarray(opacity).resize(size, Image.Resampling.BICUBIC)
    backdrop.paste(layer, mask=mask)
    return backdrop


def _colours(strength: Floats) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give the colour `(H, W, 3)` and the opacity `(H, W)` of evidence from -1 to 1."""
    colours = np.where(strength[..., None] < 0, _AGAINST, _FOR).astype(np.uint8)
    opacity = np.abs(strength) * (_STRONGEST * 255)
    return colours, np.clip(opacity, 0, 255).astype(np.uint8)


def _with_legend(picture: Image.Image, title: str, limit: float) -> Image.Image:
    width = max(picture.width, _LEAST_WIDTH)
    canvas = Image.new("RGB", (width, picture.height + _LEGEND_HEIGHT), _PAPER)
    canvas.paste(picture, (0, 0))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    top = picture.height + 2
    pen.text((_MARGIN, top), title, _INK, font)
    bar = (width - 2 * _MARGIN, 9)
    scale = np.broadcast_to(np.linspace(-1, 1, bar[0], dtype=np.float32), bar[::-1])
    strip = _painted(Image.new("RGB", bar, _PAPER), scale)
    canvas.paste(strip, (_MARGIN, top + 17))
    for place, anchor, text in (
        (_MARGIN, "la", f"{-limit:.2g} against"),
        (width // 2, "ma", "0"),
        (width - _MARGIN, "ra", f"for {limit:+.2g}"),
    ):
        pen.text((place, top + 28), text, _INK, font, anchor=anchor)
    return canvas
