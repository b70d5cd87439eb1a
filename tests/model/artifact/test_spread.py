"""Maps brought to another grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.artifact.spread import Spread, gathered, spread


@given(
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    more=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    kind=st.sampled_from(["even", "smooth"]),
)
def test_a_map_keeps_its_sum(cells: tuple[int, int], more: tuple[int, int], kind: Spread) -> None:
    """Whatever the two grids, also where one is no multiple of the other."""
    coarse = np.random.default_rng(0).normal(size=(2, *cells)).astype(np.float32)

    fine = spread(coarse, cells[0] + more[0], cells[1] + more[1], kind)

    np.testing.assert_allclose(fine.sum((1, 2)), coarse.sum((1, 2)), atol=1e-4)


@given(
    coarse=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    more=st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_a_map_on_a_coarser_grid_keeps_its_sum(
    coarse: tuple[int, int], more: tuple[int, int]
) -> None:
    """Whatever the two grids; cells on an edge are cut."""
    fine = np.random.default_rng(0).normal(size=(2, coarse[0] + more[0], coarse[1] + more[1]))

    found = gathered(fine.astype(np.float32), *coarse)

    assert found.shape == (2, *coarse)
    np.testing.assert_allclose(found.sum((1, 2)), fine.sum((1, 2)), atol=1e-4)


def test_a_coarser_cell_holds_what_lies_in_it() -> None:
    """Three cells on two: the middle one is halved."""
    assert gathered(np.array([[1, 2, 4]], np.float32), 1, 2).tolist() == [[2, 5]]


@pytest.mark.parametrize("kind", ["even", "smooth"])
def test_the_same_grid_changes_nothing(kind: Spread) -> None:
    """A layer on the input's own grid is given as it is."""
    cells = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)

    np.testing.assert_allclose(spread(cells, 5, 7, kind), cells, rtol=1e-6)


def test_even_stays_in_the_cell_and_smooth_reaches_its_neighbours() -> None:
    """One cell of four, on a grid of eight."""
    cells = np.array([[0, 8, 0, 0]], np.float32)

    even, smooth = (spread(cells, 1, 8, kind)[0] for kind in ("even", "smooth"))

    assert even.tolist() == [0, 0, 4, 4, 0, 0, 0, 0]
    assert smooth.nonzero()[0].tolist() == [1, 2, 3, 4]
