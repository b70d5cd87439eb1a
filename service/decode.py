"""From a request's bytes to pixels; every limit is checked before what it limits is allocated."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from model.image import FORMATS, Pixels, to_pixels
from service.errors import BadRequestError, ServiceError, TooLargeError, UnsupportedMediaError

# Ours is checked first, and gives a clear answer; Pillow's would only warn up to twice its own.
Image.MAX_IMAGE_PIXELS = None

_TAKEN = "JPEG, PNG or WebP"
# First bytes of pictures that people do send; for these "not an image" would be wrong.
_OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\1\0": "ICO",
    b"%PDF": "PDF",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"<svg": "SVG",
}
_ISO_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF"}


@dataclass(frozen=True)
class Limits:
    """What one image may measure: bytes as sent, and pixels by its header."""

    max_image_bytes: int
    max_image_pixels: int


def decode(data: bytes, limits: Limits, height: int, width: int) -> Pixels:
    """Decode one image as a person sees it.

    Args:
        data: a JPEG, PNG or WebP file.
        limits: checked before anything is decoded.
        height: rows the model takes.
        width: columns the model takes.

    Returns:
        `(height, width, 3)`, uint8.

    Raises:
        ClientError: empty, too many bytes or pixels, not an image, of another format,
            truncated or damaged.
    """
    if not data:
        raise BadRequestError("empty-image", "the image is empty: it has 0 bytes")
    if len(data) > limits.max_image_bytes:
        detail = f"the image has {len(data)} bytes, the limit is {limits.max_image_bytes}"
        raise TooLargeError("too-many-bytes", detail)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_pixels(image.size, limits.max_image_pixels)
            return to_pixels(image, height, width)
    except ServiceError:
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        detail = f"the image is truncated or damaged: {error}"
        raise BadRequestError("damaged-image", detail) from error


def decode_all(images: list[bytes], limits: Limits, height: int, width: int) -> Pixels:
    """Decode one request's images: `(n, height, width, 3)`, uint8.

    Raises:
        ClientError: as `decode` does; where there are several, it says which image it is.
    """
    decoded = []
    for number, data in enumerate(images, start=1):
        try:
            decoded.append(decode(data, limits, height, width))
        except ServiceError as error:
            if len(images) > 1:
                detail = f"image {number} of {len(images)}: {error.detail}"
                raise type(error)(error.kind, detail) from error
            raise
    return np.stack(decoded)


def _check_pixels(size: tuple[int, int], limit: int) -> None:
    width, height = size
    if width * height > limit:
        detail = f"the image has {width} x {height} = {width * height} pixels, the limit is {limit}"
        raise TooLargeError("too-many-pixels", detail)


def _unidentified(data: bytes) -> ServiceError:
    name = _other_format(data)
    if name is not None:
        detail = f"the image is {name}; send {_TAKEN}"
        return UnsupportedMediaError("unsupported-format", detail)
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or data[8:12] == b"WEBP":
        return BadRequestError("damaged-image", "the image is truncated or damaged: no header")
    return BadRequestError("not-an-image", f"the bytes are not an image; send {_TAKEN}")


def _other_format(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _ISO_BRANDS.get(data[8:12])
    return next((name for start, name in _OTHER_FORMATS.items() if data.startswith(start)), None)
