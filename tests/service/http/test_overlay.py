"""However a picture is shaped, the canvas on which its evidence is drawn is bounded."""

import io
import struct
import zlib
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from model.artifact.repository import BUNDLED_REPOSITORY
from service.http.overlay import MOST_PIXELS, fitted
from tests.pictures import encoded
from tests.service.models import app_on, served

SIDES = st.integers(1, 50_000_000)
# What the legend needs beside the picture: so wide it is at least, and so much higher.
LEAST_WIDTH, LEGEND_HEIGHT = 260, 46


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Serve the bundled model, which has evidence."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


def canvas(width: int, height: int) -> int:
    """Count the pixels of a picture's canvas."""
    return max(width, LEAST_WIDTH) * (height + LEGEND_HEIGHT)


@given(SIDES, SIDES)
@example(1, 800_000)
@example(1, 13_000_000)
@example(13_000_000, 1)
@example(4000, 2954)
@example(4000, 2955)
def test_every_canvas_fits(width: int, height: int) -> None:
    """No side is nothing, none grows, and what fits stays as it is."""
    drawn = fitted(width, height)

    assert 1 <= drawn[0] <= width
    assert 1 <= drawn[1] <= height
    assert canvas(*drawn) <= MOST_PIXELS
    assert (drawn == (width, height)) == (canvas(width, height) <= MOST_PIXELS)


@given(st.integers(3000, 12_000), st.integers(3000, 12_000))
def test_a_smaller_drawing_has_the_picture_s_shape(width: int, height: int) -> None:
    """And makes use of the canvas."""
    drawn = fitted(width, height)

    assert drawn[0] / drawn[1] == pytest.approx(width / height, rel=0.01)
    assert canvas(*drawn) > min(0.99 * MOST_PIXELS, canvas(width, height) - 1)


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((1, 65_535), (260, 46_153)),
        ((65_535, 1), (65_535, 47)),
    ],
)
def test_a_thin_picture_is_drawn_on_a_small_canvas(
    client: httpx.Client, size: tuple[int, int], drawn: tuple[int, int]
) -> None:
    """One long line gets an answer of twelve megapixels at most."""
    file = encoded(Image.new("RGB", size, "red"))

    answer = client.post("/explain", content=file, headers={"Accept": "image/png"})

    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == drawn


@pytest.mark.parametrize("size", [(1, 65_536), (1, 49_000_000), (49_000_000, 1)])
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_side_beyond_measure_is_refused_by_the_header(
    client: httpx.Client, size: tuple[int, int], path: str
) -> None:
    """Its rows alone would take gigabytes."""
    answer = client.post(path, content=header_alone(*size))

    assert answer.status_code == 413, answer.text
    assert answer.json()["type"] == "urn:goodserve:problem:too-many-pixels"
    assert "the limit of a side is 65535" in answer.json()["detail"]


def header_alone(width: int, height: int) -> bytes:
    """Write the start of a PNG."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    checked = start + struct.pack(">I", zlib.crc32(header))
    return checked + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
