"""A damaged picture is refused wherever plain Pillow refuses it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.artifact.image import FORMATS, DamagedImageError, Pixels, to_pixels
from tests.pictures import encoded, textured

WIDTH, HEIGHT = 48, 40
PICTURES = {
    "PNG": encoded(textured(WIDTH, HEIGHT), "PNG"),
    "grey PNG": encoded(textured(WIDTH, HEIGHT).convert("L"), "PNG"),
    "JPEG": encoded(textured(WIDTH, HEIGHT), "JPEG"),
    "progressive JPEG": encoded(textured(WIDTH, HEIGHT), "JPEG", progressive=True),
    "WebP": encoded(textured(WIDTH, HEIGHT), "WEBP"),
    "lossless WebP": encoded(textured(WIDTH, HEIGHT), "WEBP", lossless=True),
}


def as_pillow_sees(data: bytes) -> Image.Image | None:
    """Decode with Pillow alone, on white where it is transparent; None where Pillow refuses."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        image.load()
    except Exception:  # noqa: BLE001  Pillow raises many kinds on damaged files
        return None
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def ours(data: bytes, height: int, width: int) -> Pixels | None:
    """Decode with `to_pixels`; None where Pillow cannot open the file or `to_pixels` refuses."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception:  # noqa: BLE001  likewise
        return None
    try:
        return to_pixels(image, height, width)
    except DamagedImageError:
        return None


@pytest.mark.parametrize("form", PICTURES)
@given(data=st.data())
def test_a_flipped_byte_is_refused_where_pillow_refuses_it(form: str, data: st.DataObject) -> None:
    """With any byte changed, ours raises exactly where Pillow does, else shows the same."""
    content = bytearray(PICTURES[form])
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))

    expected = as_pillow_sees(bytes(content))
    if expected is None:
        assert ours(bytes(content), HEIGHT, WIDTH) is None
        assert ours(bytes(content), 8, 8) is None
    else:
        found = ours(bytes(content), expected.height, expected.width)
        assert found is not None
        assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("form", PICTURES)
@given(data=st.data())
def test_a_cut_file_is_refused_where_pillow_refuses_it(form: str, data: st.DataObject) -> None:
    """Of a file that ends early, nothing is made up."""
    content = PICTURES[form][: data.draw(st.integers(0, len(PICTURES[form]) - 1))]

    refused = as_pillow_sees(content) is None

    assert (ours(content, HEIGHT, WIDTH) is None) == refused
    assert (ours(content, 8, 8) is None) == refused


def test_a_png_of_garbage_is_refused() -> None:
    """A whole header with noise for pixels is no black picture."""
    content = bytearray(PICTURES["PNG"])
    start = content.index(b"IDAT") + 4
    content[start:-16] = np.random.default_rng(0).bytes(len(content) - 16 - start)

    with pytest.raises(DamagedImageError, match="damaged"):
        to_pixels(Image.open(io.BytesIO(content)), 8, 8)
