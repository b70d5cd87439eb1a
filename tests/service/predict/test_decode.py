"""Decoding: limits before allocation, the caller's faults told apart from ours."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from service.errors import BadRequestError, ServiceError, UnsupportedMediaError
from service.predict.decode import Decoder, ImageLimits, LargePictureError
from tests.pictures import coloured, encoded

LIMITS = ImageLimits(max_image_bytes=100_000, max_image_pixels=20_000, max_request_pixels=30_000)
DECODER = Decoder(LIMITS, large_pixels=10_000)
RED = coloured("red", seed=1)


def test_files_become_a_batch() -> None:
    """One row per file, in order, at the size that is asked for."""
    pixels = DECODER([encoded(RED), encoded(RED, "JPEG"), encoded(RED, "WEBP")], 16, 20)

    assert pixels.shape == (3, 16, 20, 3)
    assert pixels.dtype == np.uint8


def test_only_a_quick_call_refuses_large_pictures() -> None:
    """Large by the header; limits are checked before, so that nobody waits for a refusal."""
    large = encoded(Image.new("RGB", (100, 100)))
    beyond = encoded(Image.new("RGB", (200, 101)))

    with pytest.raises(LargePictureError):
        DECODER([large], 16, 16, quick=True)
    assert DECODER([large], 16, 16).shape == (1, 16, 16, 3)
    with pytest.raises(ServiceError, match="20200 pixels, the limit is 20000"):
        DECODER([beyond], 16, 16, quick=True)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_a_damaged_picture_is_the_callers_fault(form: str) -> None:
    """Flipped bytes and cut ends are told, with the picture's number among several."""
    data = encoded(RED, form)

    with pytest.raises(BadRequestError, match=r"image 2 of 2: the image is truncated or damaged"):
        DECODER([data, data[: len(data) // 2]], 16, 16)


def test_a_png_with_a_flipped_byte_is_damaged() -> None:
    """Not a picture with black rows."""
    data = bytearray(encoded(RED))
    data[data.index(b"IDAT") + 200] ^= 0xFF

    with pytest.raises(BadRequestError, match="truncated or damaged"):
        DECODER([bytes(data)], 16, 16)


def test_a_bug_of_ours_is_not_the_callers_fault() -> None:
    """A limit that is no number, as a bug would leave it: the error keeps its type."""
    broken = dataclasses.replace(LIMITS, max_image_pixels=None)  # type: ignore[arg-type]

    with pytest.raises(TypeError):
        Decoder(broken, large_pixels=10_000)([encoded(RED)], 16, 16)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded(RED, "GIF"), "GIF"),
        (encoded(RED, "TGA"), "TGA"),
        (encoded(RED, "PPM"), "PPM"),
        (encoded(RED, "DDS"), "DDS"),
        (b"icns" + bytes(20), "ICNS"),
        (encoded(RED, "JPEG2000"), "JPEG 2000"),
        (b"qoif" + bytes(10), "QOI"),
        (b"8BPS\0\1" + bytes(20), "PSD"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    """What is a picture elsewhere is not called no image."""
    with pytest.raises(UnsupportedMediaError, match=f"the image is {name}; send JPEG"):
        DECODER([data], 16, 16)
