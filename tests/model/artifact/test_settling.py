"""The layer at which a decision settled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from model.artifact.settling import settling_layers

# Whole numbers, so that sums are exact and equal ones are frequent.
CONTRIBUTIONS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 5)),
    elements=st.integers(-3, 3).map(float),
)


@given(CONTRIBUTIONS)
def test_from_there_on_the_answer_stays_and_before_it_was_another(
    contributions: NDArray[np.float32],
) -> None:
    """By what the words say: every later sum names the answer, the one before does not."""
    scores = contributions.sum(axis=1)

    found = settling_layers(contributions, scores)

    for parts, top, layer in zip(contributions, scores.argmax(axis=1), found, strict=True):
        named = [parts[: count + 1].sum(axis=0).argmax() for count in range(len(parts))]
        assert all(name == top for name in named[layer:])
        assert layer == 0 or named[layer - 1] != top


@given(CONTRIBUTIONS, st.integers(1, 3))
def test_layers_that_did_not_run_settle_nothing(
    contributions: NDArray[np.float32], silent: int
) -> None:
    """An answer given early settled among the layers that ran."""
    images, layers, classes = contributions.shape
    rest = np.zeros((images, silent, classes), np.float32)
    scores = contributions.sum(axis=1)

    found = settling_layers(np.concatenate([contributions, rest], axis=1), scores)

    assert (found == settling_layers(contributions, scores)).all()
    assert (found < layers).all()


@pytest.mark.parametrize(
    ("rows", "layer"),
    [
        ([[2, 0], [1, 0], [0, 1]], 0),
        ([[0, 2], [1, 0], [3, 0]], 2),
        ([[2, 0], [0, 3], [2, 0]], 2),
        ([[0, 1], [1, 0], [0, 0]], 1),
    ],
)
def test_a_decision_that_was_lost_and_won_again_settled_when_it_was_won(
    rows: list[list[float]], layer: int
) -> None:
    """The first moment does not count, the last change does; of equal sums the first class wins."""
    contributions = np.array([rows], np.float32)

    assert settling_layers(contributions, contributions.sum(axis=1)).tolist() == [layer]


def test_rounding_of_the_last_sum_names_nobody_else() -> None:
    """Where scores nearly tie, the network's own sum decides, not one that is added up here."""
    contributions = np.array([[[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]], np.float32)
    scores = np.array([[0.6, np.nextafter(np.float32(0.6), np.float32(1))]], np.float32)

    assert settling_layers(contributions, scores).tolist() == [2]
