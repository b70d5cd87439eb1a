"""Pictures drawn by the program, and pictures written in every way that a caller may send."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("blue", "green", "red")
_COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 70), "red": (210, 50, 40)}


def coloured(label: str, seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Draw noise around one class's colour; `size` is width and height."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, 25, (size[1], size[0], 3))
    return Image.fromarray((np.array(_COLOURS[label]) + noise).clip(0, 255).astype(np.uint8))


def blended(first: str, second: str, share: float, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Draw a mixture of two classes' colours, of which nobody can be sure."""
    return Image.blend(coloured(first, 0, size), coloured(second, 1, size), share)


def write_folder(folder: Path, per_class: int) -> Path:
    """Write a training folder: one sub-folder per class, of different formats and sizes."""
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            suffix = ("png", "jpg", "webp")[number % 3]
            picture = coloured(label, number, (24 + number % 9, 30))
            picture.save(folder / label / f"{number}.{suffix}")
    return folder


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """Write an image to bytes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def real_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write `(H, W, 3)` uint8 pixels as PNG, without loss."""
    return encoded(Image.fromarray(pixels))


def textured(width: int, height: int) -> Image.Image:
    """Draw a slope of colours with some noise: neither flat nor beyond compression."""
    generator = np.random.default_rng(0)
    slope = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 120, width))
    colours = np.stack([slope, 255 - slope, 0.5 * slope], axis=2)
    return Image.fromarray(
        (colours + generator.normal(0, 8, colours.shape)).clip(0, 255).astype("u1")
    )


def png_of_size(*sizes: tuple[int, int]) -> bytes:
    """Write a PNG by hand: a header for each `(width, height)`, and hardly any pixels."""
    headers = [_png_chunk(b"IHDR", struct.pack(">2I5B", *size, 8, 2, 0, 0, 0)) for size in sizes]
    pixels = _png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(headers) + pixels + _png_chunk(b"IEND", b"")


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def patterned(pattern: str, seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw what is hard to scale down, in two colours; `size` is width and height."""
    generator = np.random.default_rng(seed)
    first, second = generator.integers(0, 256, (2, 3))
    pitch, angle = int(generator.integers(1, 12)), generator.uniform(0, np.pi)
    y, x = np.mgrid[: size[1], : size[0]]
    match pattern:
        case "stripes":
            share = x // pitch % 2
        case "checks":
            share = (x // pitch + y // pitch) % 2
        case "waves":
            share = 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 3 / pitch)
        case "rings":
            share = 0.5 + 0.5 * np.cos((x * x + y * y) * np.pi / 2 / max(size))
        case "noise":
            share = generator.integers(0, 2, x.shape)
        case "dots":
            share = generator.random(x.shape) > 0.98
        case "slope":
            share = (x / size[0] + y / size[1]) / 2
        case _:
            raise ValueError(pattern)
    return Image.fromarray((first + share[..., None] * (second - first)).astype(np.uint8))
