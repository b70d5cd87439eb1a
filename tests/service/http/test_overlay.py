"""However a picture is shaped, the canvas on which its evidence is drawn is bounded."""

import io
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
        ((1, 800_000), (260, 46_153)),
        ((1, 13_000_000), (260, 46_153)),
        ((13_000_000, 1), (255_319, 47)),
    ],
)
def test_a_thin_picture_is_drawn_on_a_small_canvas(
    client: httpx.Client, size: tuple[int, int], drawn: tuple[int, int]
) -> None:
    """A few kilobytes that unpack to one long line get an answer of twelve megapixels."""
    file = encoded(Image.new("RGB", size, "red"))

    answer = client.post("/explain", content=file, headers={"Accept": "image/png"})

    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == drawn
