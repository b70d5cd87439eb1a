"""Thresholds: the least probability that still agrees often enough, on enough images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.publish.confidence import find_thresholds


def found(probability: list[float], agrees: list[int], *confidences: float) -> dict[float, float]:
    """Give the thresholds' probabilities by confidence."""
    thresholds = find_thresholds(np.array(probability), np.array(agrees, bool), confidences)
    return {each.confidence: each.probability for each in thresholds}


def test_more_confidence_takes_more_probability() -> None:
    """Nine of the ten surest agree, and all of the five surest."""
    probability = [0.99, 0.98, 0.97, 0.96, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    agrees = [1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0]

    assert found(probability, agrees, 0.8, 0.9) == {0.8: 0.4, 0.9: 0.5}


def test_images_of_equal_probability_stop_together() -> None:
    """A threshold between two equal ones does not exist."""
    assert found([0.9, 0.8, 0.8], [1, 1, 0], 0.5, 0.6) == {0.5: 0.8, 0.6: 0.8}
    assert found([0.9, 0.9, 0.9], [1, 1, 0], 0.7) == {}


@pytest.mark.parametrize(("number", "reached"), [(99, False), (100, True)])
def test_few_images_do_not_show_much_confidence(number: int, *, reached: bool) -> None:
    """Ninety-nine that all agree cannot tell 99 % from certainty."""
    assert (0.99 in found([0.9] * number, [1] * number, 0.99)) == reached


@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.6, 0.8, 0.9]), st.booleans())))
def test_the_stopped_agree_as_often_as_is_said(images: list[tuple[float, bool]]) -> None:
    """Whatever the images, those at or above a threshold agree with its confidence."""
    probability = np.array([each for each, _ in images])
    agrees = np.array([each for _, each in images], bool)

    for threshold in find_thresholds(probability, agrees, (0.5, 0.75, 0.9)):
        stopped = agrees[probability >= threshold.probability]
        assert stopped.mean() >= threshold.confidence
