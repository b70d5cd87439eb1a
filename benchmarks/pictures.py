"""The pictures that are sent: drawn by the program, of the size that real ones have."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw


@dataclass(frozen=True)
class Kind:
    """One kind of picture: how it is written, and how many different ones take turns.

    Attributes:
        width: columns in pixels.
        height: rows in pixels.
        form: PNG or JPEG.
        count: different pictures; few where one of them has megabytes.
        quality: of a JPEG; a camera's are better than the web's.
    """

    width: int
    height: int
    form: str
    count: int
    quality: int = 85

    @property
    def content_type(self) -> str:
        """The media type that a client declares."""
        return f"image/{self.form.lower()}"


KINDS = {
    "png32": Kind(32, 32, "PNG", 16),
    "jpg224": Kind(224, 224, "JPEG", 16),
    "jpg12mp": Kind(4000, 3000, "JPEG", 2, quality=92),
}
_GRAIN = 4  # in grey levels, as a camera's sensor has: gives a 224 px JPEG its usual 10 to 20 kB


def draw_all(kind: Kind, seed: int = 0) -> list[bytes]:
    """Draw and write `kind.count` different pictures; the same ones for the same seed."""
    return [_written(draw(kind, seed + number), kind) for number in range(kind.count)]


def draw(kind: Kind, seed: int) -> Image.Image:
    """Draw clouds of colour, some shapes on them, and a little grain."""
    generator = np.random.default_rng(seed)
    clouds = np.sum(
        [_clouds(generator, kind, cells) * (80 / cells**0.7) for cells in (2, 6, 18)], axis=0
    )
    picture = Image.fromarray((clouds + 128).clip(0, 255).astype(np.uint8))
    _draw_shapes(picture, generator)
    grain = _GRAIN * generator.standard_normal((kind.height, kind.width, 1), np.float32)
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


def _clouds(generator: np.random.Generator, kind: Kind, cells: int) -> NDArray[np.float32]:
    """Smooth noise of `cells` blobs across: `(H, W, 3)` float32, standard normal at the nodes."""
    nodes = generator.standard_normal((3, cells, cells), np.float32)
    planes = [
        np.asarray(
            Image.fromarray(plane).resize((kind.width, kind.height), Image.Resampling.BICUBIC)
        )
        for plane in nodes
    ]
    return np.stack(planes, axis=2)


def _draw_shapes(picture: Image.Image, generator: np.random.Generator) -> None:
    """Draw edges, which clouds lack: ellipses and rectangles of a tenth to a third of the width."""
    canvas = ImageDraw.Draw(picture)
    shapes: list[Callable[..., None]] = [canvas.ellipse, canvas.rectangle]
    for number in range(8):
        left, top = generator.uniform(0, 0.9, 2) * picture.size
        wide, high = generator.uniform(0.1, 0.33, 2) * picture.size
        colour = tuple(int(value) for value in generator.integers(0, 256, 3))
        shapes[number % 2]((left, top, left + wide, top + high), fill=colour)


def _written(picture: Image.Image, kind: Kind) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind.form, quality=kind.quality)
    return buffer.getvalue()
