"""From what callers call an image to the bytes of a file."""

import asyncio
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.client.errors import UnreadableError

# A path, the bytes of a JPEG, PNG or WebP file, a Pillow image, or pixels: `(H, W)` grey,
# `(H, W, 3)` RGB or `(H, W, 4)` RGBA, uint8.
ImageLike = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]

# What PNG can hold without a change of colours.
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
_CHANNELS = {3: "RGB", 4: "RGBA"}
_GREY_AXES, _COLOUR_AXES = 2, 3


def file_of(image: ImageLike) -> bytes:
    """Give the bytes of a file: as they are, or written as PNG, without loss.

    Raises:
        UnreadableError: there is no such file, or it is no image at all.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | os.PathLike):
        return _read(Path(image))
    if isinstance(image, Image.Image):
        return _png(ImageOps.exif_transpose(image))
    return _png(_picture(image))


async def read_apart(image: ImageLike) -> bytes:
    """Give the bytes of a file as `file_of` does, without holding up an event loop."""
    return image if isinstance(image, bytes) else await asyncio.to_thread(file_of, image)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise UnreadableError(message) from error
    if not data:
        message = f"{path}: the file is empty"
        raise UnreadableError(message)
    return data


def _picture(pixels: NDArray[np.uint8]) -> Image.Image:
    if not isinstance(pixels, np.ndarray):
        found = type(pixels).__name__
        message = f"an image is a path, bytes, a Pillow image or a uint8 array, not {found}"
        raise UnreadableError(message)
    is_grey = pixels.ndim == _GREY_AXES
    is_coloured = pixels.ndim == _COLOUR_AXES and pixels.shape[2] in _CHANNELS
    if pixels.dtype != np.uint8 or not (is_grey or is_coloured) or not pixels.size:
        message = (
            f"pixels are uint8 of (H, W), (H, W, 3) or (H, W, 4), from 0 to 255, not "
            f"{pixels.dtype} of {pixels.shape}"
        )
        raise UnreadableError(message)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _png(image: Image.Image) -> bytes:
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    # Of little effort: sending some more bytes takes less time than saving them.
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
