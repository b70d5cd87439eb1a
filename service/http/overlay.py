"""Evidence drawn over the image it is about, with a legend."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.artifact.evidence import Floats
from model.artifact.image import FORMATS, upright_rgb
from model.artifact.overlay import limit, overlaid
from model.artifact.spread import spread
from service.http.parts import named
from service.predict.answers import Explained

# Of the canvas, legend included; what would need more is drawn smaller. At twelve megapixels the
# drawing takes some 150 MB.
MOST_PIXELS = 12_000_000
_LEGEND_HEIGHT, _LEAST_WIDTH, _MARGIN = 46, 260, 6
_INK, _PAPER = (20, 20, 20), (255, 255, 255)


def draw(explained: Explained, file: bytes, layer: str | None) -> bytes:
    """Draw the evidence for the first combination over its picture, as a PNG.

    Args:
        explained: of one image.
        file: that image, as sent.
        layer: whose evidence to draw; None: all layers'.

    Returns:
        The picture upright and at its own size, or smaller where the whole would have over
        twelve megapixels, grey where the evidence would be hard to see; below it a legend that
        names the class and the numbers.
    """
    cells = evidence_map(explained, layer)
    picture = _opened(file)
    strongest = limit(cells)
    painted = overlaid(picture, cells / strongest)
    label, contrast = named(
        explained.question.factors(explained.evidence.scores)[0, 0], explained.manifest.labels
    )
    name = label if contrast is None else " against ".join(contrast)
    where = "all layers" if layer is None else layer
    title = f"{name}: {float(cells.sum(dtype=np.float64)):+.3f} ({where})"
    buffer = io.BytesIO()
    _with_legend(painted, title, strongest).save(buffer, "PNG")
    return buffer.getvalue()


def evidence_map(explained: Explained, layer: str | None) -> Floats:
    """Give the first image's evidence on the input's grid: `(H, W)`, float32."""
    manifest = explained.manifest
    pairs = zip(manifest.layers, explained.evidence.maps, strict=True)
    chosen = [cells[0, 0] for each, cells in pairs if layer in (None, each.name)]
    size = manifest.image_height, manifest.image_width
    total: Floats = np.sum([spread(cells, *size) for cells in chosen], axis=0)
    return total


def fitted(width: int, height: int) -> tuple[int, int]:
    """Give the size at which a picture is drawn: its own, or smaller so that the canvas fits.

    Args:
        width: of the picture, in pixels.
        height: likewise.

    Returns:
        Width and height, each at least 1; the picture's own shape, but for rounding. With the
        legend they make a canvas of at most `MOST_PIXELS`.
    """
    if _canvas_pixels(width, height) <= MOST_PIXELS:
        return width, height
    # As wide as the canvas: f of f width (f height + legend) = MOST_PIXELS.
    pixels, legend = width * height, _LEGEND_HEIGHT * width
    factor = ((legend**2 + 4 * pixels * MOST_PIXELS) ** 0.5 - legend) / (2 * pixels)
    # Narrower: the canvas keeps its least width.
    factor = min(factor, (MOST_PIXELS / _LEAST_WIDTH - _LEGEND_HEIGHT) / height)
    drawn_height = max(1, int(height * factor))
    # A line of one pixel cannot get flatter: it only gets shorter.
    widest = MOST_PIXELS // (drawn_height + _LEGEND_HEIGHT)
    return max(1, min(int(width * factor), widest)), drawn_height


def _canvas_pixels(width: int, height: int) -> int:
    return max(width, _LEAST_WIDTH) * (height + _LEGEND_HEIGHT)


def _opened(file: bytes) -> Image.Image:
    """Open a file that was decoded before, upright, and no larger than is drawn."""
    with Image.open(io.BytesIO(file), formats=FORMATS) as image:
        picture = upright_rgb(image)
    size = fitted(*picture.size)
    return picture if size == picture.size else picture.resize(size)


def _with_legend(picture: Image.Image, title: str, strongest: float) -> Image.Image:
    width = max(picture.width, _LEAST_WIDTH)
    canvas = Image.new("RGB", (width, picture.height + _LEGEND_HEIGHT), _PAPER)
    canvas.paste(picture, (0, 0))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    top = picture.height + 2
    pen.text((_MARGIN, top), title, _INK, font)
    bar = (width - 2 * _MARGIN, 9)
    scale = np.broadcast_to(np.linspace(-1, 1, bar[0], dtype=np.float32), bar[::-1])
    strip = overlaid(Image.new("RGB", bar, _PAPER), scale)
    canvas.paste(strip, (_MARGIN, top + 17))
    for place, anchor, text in (
        (_MARGIN, "la", f"{-strongest:.2g} against"),
        (width // 2, "ma", "0"),
        (width - _MARGIN, "ra", f"for {strongest:+.2g}"),
    ):
        pen.text((place, top + 28), text, _INK, font, anchor=anchor)
    return canvas
