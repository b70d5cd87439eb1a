"""The drawn pictures are of the size and the weight of real ones."""

import io

import pytest
from PIL import Image

from benchmarks.pictures import KINDS, draw_all


@pytest.mark.parametrize(
    ("name", "size", "least_bytes", "most_bytes"),
    [("png32", (32, 32), 1_500, 3_100), ("jpg224", (224, 224), 9_000, 20_000)],
)
def test_pictures_weigh_what_real_ones_do(
    name: str, size: tuple[int, int], least_bytes: int, most_bytes: int
) -> None:
    """Each is of its kind's size and format, and neither flat nor pure noise."""
    kind = KINDS[name]

    pictures = draw_all(kind)

    for picture in pictures:
        with Image.open(io.BytesIO(picture)) as opened:
            assert (opened.size, opened.format) == (size, kind.form)
        assert least_bytes <= len(picture) <= most_bytes


def test_pictures_differ_from_each_other_and_not_from_run_to_run() -> None:
    """A server cannot answer from what it remembers, and two runs send the same bytes."""
    first, second = draw_all(KINDS["png32"]), draw_all(KINDS["png32"])

    assert first == second
    assert len(set(first)) == KINDS["png32"].count
