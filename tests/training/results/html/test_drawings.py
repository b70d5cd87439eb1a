"""Curves and heat maps: values where they belong, names that can be read."""

import base64
import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.results.html.confusion import confusion
from training.results.html.curves import HEIGHT, Series, apart, draw, nice_ticks
from training.results.html.heat import averaged, by_strongest_class, heat_map, png
from training.results.html.overlay import overlay

FINITE = st.floats(-1e6, 1e6)


@given(FINITE, st.floats(0, 1e6))
def test_ticks_are_few_and_enclose_the_values(low: float, span: float) -> None:
    """Whatever the span, also none."""
    ticks = nice_ticks(low, low + span)

    assert 2 <= len(ticks) <= 8
    slack = 1e-6 * max(1.0, abs(low), span)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert ticks == sorted(ticks)


def test_a_curve_runs_from_the_lower_left_to_the_upper_right() -> None:
    """Values that rise go up, which is down in SVG's own numbers; epochs are whole numbers."""
    chart = draw("accuracy", "epoch", [1.0, 2.0], [Series("a", (0.0, 1.0), None)], percent=True)

    (line,) = chart.lines
    assert line.points == ((chart.left, chart.bottom), (chart.right, chart.top))
    assert [tick.text for tick in chart.x_ticks] == ["1", "2"]
    assert [chart.y_ticks[0].text, chart.y_ticks[-1].text] == ["0%", "100%"]


def test_a_run_of_one_epoch_can_be_drawn() -> None:
    """One point, and nothing is divided by zero."""
    chart = draw("loss", "epoch", [1.0], [Series("a", (2.5,), 0.0)])

    assert len(chart.lines[0].points) == 1


@given(st.lists(st.floats(12, HEIGHT - 40), min_size=1, max_size=12))
def test_names_do_not_cover_each_other(heights: list[float]) -> None:
    """They keep their order and 12 units between them."""
    placed = sorted(apart(heights))

    assert all(b - a >= 12 - 1e-9 for a, b in pairwise(placed))


def test_channel_regions_are_sorted_by_their_strongest_class() -> None:
    """Within a class the most decided comes first."""
    rows = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], dtype=np.float32)

    assert by_strongest_class(rows)[:, 0].tolist() == pytest.approx([0.9, 0.7, 0.2, 0.4])


def test_many_channel_regions_are_averaged() -> None:
    """Nothing is left out: the mean stays."""
    rows = np.random.default_rng(0).random((1001, 3)).astype(np.float32)

    found = averaged(rows)

    assert found.shape == (200, 3)
    assert found.mean(0) == pytest.approx(rows.mean(0), rel=0.01)


def test_a_heat_map_counts_the_channel_regions_of_each_class() -> None:
    """A picture for light pages and one for dark ones, a pixel for each value."""
    rows = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8]], dtype=np.float32)

    found = heat_map("stem", rows, 0.5)

    assert found.owned == (1, 2)
    assert found.top == pytest.approx(0.9)
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(each.partition(",")[2]))))
        for each in (found.picture.light, found.picture.dark)
    ]
    assert [p.shape for p in pictures] == [(3, 2, 3)] * 2
    assert pictures[0][0, 0].sum() < pictures[0][0, 1].sum()  # light page: much is dark
    assert pictures[1][0, 0].sum() > pictures[1][0, 1].sum()


def test_pictures_come_back() -> None:
    """PNG loses nothing."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)

    found = Image.open(io.BytesIO(base64.b64decode(png(pixels).partition(",")[2])))

    assert np.array_equal(np.asarray(found), pixels)


@given(strength=st.floats(0.01, 50), sign=st.sampled_from([-1, 1]))
def test_evidence_is_orange_for_and_blue_against(strength: float, sign: int) -> None:
    """The strongest pixel has the full colour, whatever its value; none leaves the picture grey."""
    cells = np.zeros((2, 3), np.float32)
    cells[0, 0], cells[1, 2] = sign * strength, -sign * strength / 4
    picture = np.full((2, 3, 3), 128, np.uint8)

    found = overlay(picture, cells)

    painted = Image.open(io.BytesIO(base64.b64decode(found.picture.partition(",")[2])))
    pixels = np.asarray(painted.convert("RGB")).astype(int)
    redder = pixels[..., 0] - pixels[..., 2]
    assert redder[0, 1] == 0
    assert np.sign(redder[0, 0]) == sign
    assert np.sign(redder[1, 2]) == -sign
    assert abs(redder[0, 0]) > 100
    assert found.limit == pytest.approx(strength)
    assert found.total == pytest.approx(sign * strength * 0.75, rel=1e-5)


def test_confusions_are_counted_by_label_and_answer() -> None:
    """Rows are labels; the most frequent confusion comes first; a class without images has none."""
    found = confusion("abc", np.array([0, 1, 1, 0, 0]), np.array([0, 0, 0, 1, 0]))

    assert found.counts == ((2, 2, 0), (1, 0, 0), (0, 0, 0))
    assert found.worst == (("a", "b", 2, 0.5), ("b", "a", 1, 1.0))
    assert found.picture is None
