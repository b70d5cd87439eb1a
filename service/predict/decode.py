"""From a file's bytes to pixels; every limit is checked before what it limits is allocated."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from model.artifact.image import FORMATS, DamagedImageError, Pixels, stack, to_pixels
from service.errors import (
    BadRequestError,
    ClientError,
    NotReadyError,
    ServiceError,
    TooLargeError,
    UnsupportedMediaError,
)

# Ours is checked first, and gives a clear answer; Pillow's would only warn up to twice its own.
Image.MAX_IMAGE_PIXELS = None

_JPEG, _JPEG_SCAN = b"\xff\xd8\xff", b"\xff\xda"
_MAX_SCANS = 100  # real progressive files have about ten
# As in a JPEG. Pillow holds some 40 bytes for each row, whatever its width: of a picture of one
# column and fifty million rows two gigabytes, from a file of kilobytes.
MAX_SIDE = 65_535
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
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"<svg": "SVG",
    b"8BPS": "PSD",
    b"DDS ": "DDS",
    b"icns": "ICNS",
    b"qoif": "QOI",
    b"P1": "PBM",
    b"P2": "PGM",
    b"P3": "PPM",
    b"P4": "PBM",
    b"P5": "PGM",
    b"P6": "PPM",
}
_ISO_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF"}
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"


@dataclass(frozen=True)
class ImageLimits:
    """What images may measure: bytes as sent, pixels by the header of one and of all."""

    max_image_bytes: int
    max_image_pixels: int
    max_request_pixels: int


class LargePictureError(Exception):
    """One picture is too large to be decoded between two batches."""


class Decode(Protocol):
    """Turns one request's files into pixels."""

    def __call__(
        self, files: Sequence[bytes], height: int, width: int, *, quick: bool = False
    ) -> Pixels:
        """Give `(n, height, width, 3)` uint8; if `quick`, raise where one picture is large.

        Raises:
            ClientError: a file is no image that is taken; the text says which and why.
            LargePictureError: only if `quick`.
        """


@dataclass(frozen=True)
class Decoder:
    """Decodes JPEG, PNG and WebP files as a person sees them.

    Attributes:
        limits: checked before anything is decoded.
        large_pixels: pixels by the header from which a picture counts as large.
    """

    limits: ImageLimits
    large_pixels: int

    def __call__(
        self, files: Sequence[bytes], height: int, width: int, *, quick: bool = False
    ) -> Pixels:
        """Decode every file, as `Decode` says.

        Raises:
            NotReadyError: there is no memory for a picture.
        """
        decoded, source_pixels = [], 0
        for number, data in enumerate(files, start=1):
            try:
                with _opened(data, self.limits) as image:
                    source_pixels += _checked_pixels(image.size, self.limits, source_pixels)
                    if quick and image.width * image.height >= self.large_pixels:
                        raise LargePictureError
                    decoded.append(to_pixels(image, height, width))
            except DamagedImageError as error:
                damaged = BadRequestError("damaged-image", str(error))
                raise _named(damaged, number, files) from error
            except ClientError as error:
                raise _named(error, number, files) from error
            except MemoryError as error:
                detail = "there is no memory to decode the image now"
                raise NotReadyError("out-of-memory", detail) from error
        return stack(decoded)


def _named(error: ServiceError, number: int, files: Sequence[bytes]) -> ServiceError:
    """Say in an error which of several images it is about, counting from 1."""
    if len(files) == 1:
        return error
    return type(error)(error.kind, f"image {number} of {len(files)}: {error.detail}")


def _opened(data: bytes, limits: ImageLimits) -> Image.Image:
    """Read the header alone."""
    if not data:
        raise BadRequestError("empty-image", "the image is empty: it has 0 bytes")
    if len(data) > limits.max_image_bytes:
        detail = f"the image has {len(data)} bytes, the limit is {limits.max_image_bytes}"
        raise TooLargeError("too-many-bytes", detail)
    _check_scans(data)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plug-ins raise many kinds on odd headers, none is ours
        message = f"the image is truncated or damaged: {error}"
        raise DamagedImageError(message) from error


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG that is decoded over and over: a few bytes per scan can cost seconds."""
    scans = data.count(_JPEG_SCAN) if data.startswith(_JPEG) else 0
    if scans > _MAX_SCANS:
        detail = f"the image is damaged: a JPEG of {scans} scans, the limit is {_MAX_SCANS}"
        raise BadRequestError("damaged-image", detail)


def _checked_pixels(size: tuple[int, int], limits: ImageLimits, before: int) -> int:
    width, height = size
    if max(size) > MAX_SIDE:
        detail = f"the image has {width} x {height} pixels, the limit of a side is {MAX_SIDE}"
        raise TooLargeError("too-many-pixels", detail)
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
    if data.endswith(_TGA_FOOTER):
        return "TGA"
    return next((name for start, name in _OTHER_FORMATS.items() if data.startswith(start)), None)
