"""From a request's bytes to pixels; every limit is checked before what it limits is allocated."""

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from model.artifact.image import FORMATS, Pixels, to_pixels
from service.errors import BadRequestError, ServiceError, TooLargeError, UnsupportedMediaError

# Ours is checked first, and gives a clear answer; Pillow's would only warn up to twice its own.
Image.MAX_IMAGE_PIXELS = None

_JPEG, _JPEG_SCAN = b"\xff\xd8\xff", b"\xff\xda"
_MAX_SCANS = 100  # real progressive files have about ten
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
    """What images may measure: bytes as sent, pixels by the header of one and of all."""

    max_image_bytes: int
    max_image_pixels: int
    max_request_pixels: int


@dataclass(frozen=True)
class Decoded:
    """One image: `(H, W, 3)` uint8 at the model's size, and how many pixels it had as sent."""

    pixels: Pixels
    source_pixels: int


def decode(data: bytes, limits: Limits, height: int, width: int, pixels_before: int = 0) -> Decoded:
    """Decode one image as a person sees it.

    Args:
        data: a JPEG, PNG or WebP file.
        limits: checked before anything is decoded.
        height: rows the model takes.
        width: columns the model takes.
        pixels_before: what the request's earlier images had together.

    Raises:
        ClientError: empty, too many bytes or pixels, not an image, of another format,
            truncated or damaged.
    """
    if not data:
        raise BadRequestError("empty-image", "the image is empty: it has 0 bytes")
    if len(data) > limits.max_image_bytes:
        detail = f"the image has {len(data)} bytes, the limit is {limits.max_image_bytes}"
        raise TooLargeError("too-many-bytes", detail)
    _check_scans(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            source_pixels = _check_pixels(image.size, limits, pixels_before)
            return Decoded(to_pixels(image, height, width), source_pixels)
    except ServiceError:
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        detail = f"the image is truncated or damaged: {error}"
        raise BadRequestError("damaged-image", detail) from error


def name_image(error: ServiceError, number: int, total: int) -> ServiceError:
    """Say in an error which of several images it is about, counting from 1."""
    if total == 1:
        return error
    return type(error)(error.kind, f"image {number} of {total}: {error.detail}")


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG that is decoded over and over: a few bytes per scan can cost seconds."""
    scans = data.count(_JPEG_SCAN) if data.startswith(_JPEG) else 0
    if scans > _MAX_SCANS:
        detail = f"the image is damaged: a JPEG of {scans} scans, the limit is {_MAX_SCANS}"
        raise BadRequestError("damaged-image", detail)


def _check_pixels(size: tuple[int, int], limits: Limits, before: int) -> int:
    width, height = size
    pixels = width * height
    if pixels > limits.max_image_pixels:
        limit = limits.max_image_pixels
        detail = f"the image has {width} x {height} = {pixels} pixels, the limit is {limit}"
        raise TooLargeError("too-many-pixels", detail)
    if before + pixels > limits.max_request_pixels:
        detail = (
            f"the images so far have {before + pixels} pixels together, the limit for one request "
            f"is {limits.max_request_pixels}; send several requests"
        )
        raise TooLargeError("too-many-pixels", detail)
    return pixels


def _unidentified(data: bytes) -> ServiceError:
    name = _other_format(data)
    if name is not None:
        detail = f"the image is {name}; send {_TAKEN}"
        return UnsupportedMediaError("unsupported-format", detail)
    if data.startswith((_JPEG, b"\x89PNG\r\n\x1a\n")) or data[8:12] == b"WEBP":
        return BadRequestError("damaged-image", "the image is truncated or damaged: no header")
    return BadRequestError("not-an-image", f"the bytes are not an image; send {_TAKEN}")


def _other_format(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _ISO_BRANDS.get(data[8:12])
    return next((name for start, name in _OTHER_FORMATS.items() if data.startswith(start)), None)
