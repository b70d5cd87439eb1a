"""The measures of conformal sets, on drawn probabilities and on a small model."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.conformal import (
    CONFIDENCES,
    METHODS,
    Answered,
    adaptive,
    compared,
    halves,
    main,
    measured,
    regularised,
)
from model.artifact.repository import ModelRepository
from tests.trained import SmallModel
from training.results.run import Run


def drawn(images: int, seed: int) -> Answered:
    """Draw answers whose probabilities are right, so that every score can be calibrated."""
    chance = np.random.default_rng(seed)
    probabilities = chance.dirichlet(np.full(5, 0.4), images).astype(np.float32)
    labels = (probabilities.cumsum(axis=1) < chance.random((images, 1))).sum(axis=1)
    return Answered(probabilities, labels.clip(0, 4))


def test_coverage_size_and_classes_are_counted() -> None:
    """By hand, on four images of two classes."""
    members = np.array([[1, 0], [1, 1], [0, 1], [1, 0]], bool)

    found = measured(0.9, members, np.array([0, 0, 1, 1]))

    assert found == (0.9, 0.75, 1.25, 0.75, (1.0, 0.5))


def test_adaptive_scores_add_up_what_is_more_probable() -> None:
    """A class's own share is dealt out by chance; the third class of RAPS costs extra."""
    probabilities = np.array([[0.2, 0.5, 0.3]], np.float32)

    np.testing.assert_allclose(adaptive(probabilities, np.zeros((1, 1))), [[1, 0.5, 0.8]])
    np.testing.assert_allclose(adaptive(probabilities, np.ones((1, 1))), [[0.8, 0, 0.5]], atol=1e-7)
    np.testing.assert_allclose(regularised(probabilities, np.zeros((1, 1))), [[1.05, 0.5, 0.8]])


@pytest.mark.parametrize("name", METHODS)
def test_every_score_covers_as_often_as_asked(name: str) -> None:
    """On images drawn as those it was calibrated by."""
    for found in compared(METHODS[name], drawn(4000, 0), drawn(4000, 1), seed=0):
        assert found.coverage == pytest.approx(found.confidence, abs=0.02)


def test_halves_of_one_split_cover_as_often_as_asked() -> None:
    """On average over many cuts; the top class alone may be more than asked."""
    for confidence, mean, spread in halves(drawn(2000, 0), seed=0, rounds=30):
        assert mean >= confidence - 0.005
        assert 0 < spread < 0.05


def test_the_tables_have_every_confidence_and_score(
    tmp_path: Path, small_models: list[SmallModel], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a published model, on its own data; one without calibration is refused in words."""
    small = small_models[0]
    source = Run(small.run).settings().data.source
    repository = ModelRepository(tmp_path)
    repository.activate(repository.publish("colours", *small.published))

    assert main([str(tmp_path), "--data", source]) == 0

    printed = capsys.readouterr().out
    assert all(name in printed for name in METHODS)
    assert all(f"| {confidence:g} | " in printed for confidence in CONFIDENCES)
    bare = small.manifest.model_copy(update={"conformal": None})
    repository.activate(repository.publish("colours", small.model, bare, small.graphs))
    assert main([str(tmp_path), "--data", source]) == 2
    assert "goodserve-train calibrate" in capsys.readouterr().err
