"""Sets of classes that hold the true one as often as asked: the guarantee, and its limits."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from model.artifact.conformal import CONFIDENCES, ConformalScale
from model.artifact.manifest import Manifest
from tests.model.artifact.tiny import TinyModel

CONFIDENCE = st.floats(0.001, 1)
# Of the true class; with equal ones among them.
PROBABILITIES = st.lists(st.integers(0, 20), min_size=1, max_size=40).map(
    lambda x: np.array(x) / 20
)


def answers(seed: int, images: int = 200, classes: int = 6) -> NDArray[np.float32]:
    """Draw probabilities, `(N, K)`."""
    return np.random.default_rng(seed).dirichlet(np.ones(classes), images).astype(np.float32)


@given(probabilities=PROBABILITIES.filter(lambda drawn: len(drawn) > 1), confidence=CONFIDENCE)
def test_of_images_drawn_alike_enough_are_held(
    probabilities: NDArray[np.float64], confidence: float
) -> None:
    """Whichever one of n + 1 images is asked about, as often as asked it holds its true class.

    That is the guarantee itself, for images whose order says nothing: exact, for every n.
    """
    held = [
        1 - probabilities[i] <= ConformalScale.of(np.delete(probabilities, i)).limit(confidence)
        for i in range(len(probabilities))
    ]

    assert sum(held) >= math.ceil(len(probabilities) * confidence - 1e-9)


@given(seed=st.integers(0, 99), one=CONFIDENCE, other=CONFIDENCE)
def test_more_confidence_never_takes_a_class_away(seed: int, one: float, other: float) -> None:
    """And the most probable class is in every set, so none is empty."""
    low, high = sorted((one, other))
    probabilities, calibration = answers(seed), answers(seed + 1000)[:, 0]
    scale = ConformalScale.of(calibration)

    smaller, larger = scale.members(probabilities, low), scale.members(probabilities, high)

    assert (smaller <= larger).all()
    assert smaller[np.arange(len(smaller)), probabilities.argmax(axis=1)].all()


@pytest.mark.parametrize(("n", "highest"), [(1, 0.5), (9, 0.9), (99, 0.99)])
def test_beyond_what_n_images_can_show_every_class_is_in(n: int, highest: float) -> None:
    """At n / (n + 1) the least probable of them is the limit, above it there is none."""
    scale = ConformalScale.of(np.linspace(0.3, 1, n))

    assert scale.limit(highest) == pytest.approx(0.7)
    assert scale.limit(highest + 0.001) == math.inf
    assert scale.members(answers(0), highest + 0.001).all()


def test_a_table_of_five_thousand_images_is_small_and_exact() -> None:
    """Hundredths, and thousandths above 0.9, get the very rank; what lies between rounds up."""
    probabilities = np.random.default_rng(0).random(5000)
    true = np.sort(1 - probabilities)

    scale = ConformalScale.of(probabilities)

    assert len(scale.ranks) < 200
    for confidence in CONFIDENCES:
        assert scale.limit(confidence) == true[math.ceil(5001 * confidence - 1e-9) - 1]
    assert scale.limit(0.123) == scale.limit(0.13) > scale.limit(0.12)
    assert scale.limit(0.9995) == true[-1]


def test_coverage_is_what_is_asked_on_average() -> None:
    """Over draws of 99 images to calibrate by, and as many to measure on."""
    chance, held = np.random.default_rng(0), []
    for _ in range(400):
        probabilities = chance.beta(4, 1, 198)
        limit = ConformalScale.of(probabilities[:99]).limit(0.9)
        held.append((1 - probabilities[99:] <= limit).mean())

    assert np.mean(held) == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [0.1, 0.2]}, "3 ranks have 2 scores"),
        ({"ranks": [0, 2, 4]}, "must rise from 1 or more to n = 4"),
        ({"ranks": [2, 2, 4]}, "must rise from 1 or more to n = 4"),
        ({"ranks": [1, 2, 3]}, "must rise from 1 or more to n = 4"),
        ({"scores": [0.2, 0.1, 0.3]}, "scores of a conformal scale must rise"),
        ({"scores": [0.2, 0.3, 1.1]}, "to 1 at most"),
        ({"scores": [0.2, 0.3, float("nan")]}, "finite"),
        ({"ranks": [], "scores": []}, "ranks"),
    ],
)
def test_a_scale_at_odds_with_itself_does_not_parse(change: dict[str, Any], message: str) -> None:
    """What is wrong is named."""
    given: dict[str, Any] = {"ranks": [1, 2, 4], "scores": [0.1, 0.1, 0.9], "n": 4}
    ConformalScale.model_validate(given)

    with pytest.raises(ValidationError, match=message):
        ConformalScale.model_validate({**given, **change})


def test_a_manifest_carries_it(tiny_models: list[TinyModel]) -> None:
    """Written and read again it gives the same sets; a manifest without it stays valid."""
    old = tiny_models[0].manifest
    scale = ConformalScale.of(answers(0)[:, 0])
    new = Manifest.model_validate({**old.model_dump(), "conformal": scale})

    read = Manifest.model_validate_json(new.model_dump_json())

    assert read.conformal == scale
    assert old.conformal is None
