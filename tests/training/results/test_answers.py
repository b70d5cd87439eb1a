"""Answers that are kept, images that are chosen from them, and whether probabilities hold."""

from pathlib import Path

import numpy as np
import pytest

from tests.trained import SmallModel
from training.errors import CheckpointError
from training.results.answers import RunAnswers, SplitAnswers
from training.results.examples import Examples, choose, shrunk
from training.results.reliability import reliability
from training.results.run import Run


def answers(pictures: int = 3) -> RunAnswers:
    """Make answers of every kind."""
    chance = np.random.default_rng(0)
    split = SplitAnswers(chance.normal(size=(5, 2)).astype(np.float32), np.array([0, 1, 1, 0, 1]))
    examples = Examples(
        kinds=np.array(["mistake", "typical", "unsure"][:pictures], dtype=np.str_),
        places=np.arange(pictures),
        pictures=chance.integers(0, 256, (pictures, 8, 8, 3)).astype(np.uint8),
        contributions=chance.normal(size=(pictures, 2, 2)).astype(np.float32),
    )
    return RunAnswers(split, split, examples)


@pytest.mark.parametrize("pictures", [3, 0])
def test_answers_come_back(tmp_path: Path, pictures: int) -> None:
    """To the bit, and without running anything from the file; also where no image was chosen."""
    kept = answers(pictures)

    kept.save(tmp_path / "answers.npz")
    found = RunAnswers.load(tmp_path / "answers.npz")

    for part in ("validation", "test", "examples"):
        for name, array in vars(getattr(kept, part)).items():
            assert np.array_equal(getattr(getattr(found, part), name), array)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "part"])
def test_damaged_answers_are_told_in_our_words(tmp_path: Path, damage: str) -> None:
    """Whatever part of the file is broken."""
    path = tmp_path / "answers.npz"
    answers().save(path)
    if damage == "part":
        np.savez(path, format=np.int64(1), validation_scores=np.zeros(3))
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"x" * 99}[damage])

    with pytest.raises(CheckpointError, match=r"answers\.npz is damaged; take it away"):
        RunAnswers.load(path)


def test_a_run_keeps_what_it_reports(small_models: list[SmallModel]) -> None:
    """The kept scores give the accuracies and the counts of the report."""
    run = Run(small_models[0].run)
    report, kept = run.load_model().report, run.load_answers()
    assert kept is not None

    for split, said in ((kept.validation, report.validation), (kept.test, report.test)):
        right = split.scores.argmax(1) == split.labels
        assert right.mean() == pytest.approx(said.accuracy)
        assert tuple(np.bincount(split.labels, minlength=3)) == said.images_per_class
    shown = kept.examples
    summed = shown.contributions.sum(1)
    assert np.allclose(summed, kept.validation.scores[shown.places], atol=1e-5)


def test_probabilities_follow_the_temperature() -> None:
    """Warmer is less sure; rows sum to 1 whatever the scores."""
    split = SplitAnswers(np.array([[1000.0, 0.0], [1.0, 0.0]], dtype=np.float32), np.array([0, 0]))

    cold, warm = split.probabilities(1.0), split.probabilities(10.0)

    assert np.allclose(cold.sum(1), 1)
    assert 0.5 < warm[1, 0] < cold[1, 0]
    assert cold[0, 0] == 1


def test_the_surest_mistakes_and_the_least_sure_images_are_chosen() -> None:
    """By probability; typical ones by the margin of the score."""
    labels = np.array([0, 0, 0, 1, 1])
    scores = np.array([[9, 0], [3, 0], [0, 5], [0, 1], [2, 0]], dtype=np.float32)
    probabilities = SplitAnswers(scores, labels).probabilities(1.0)

    chosen = choose(probabilities, scores, labels)

    assert [place for kind, place in chosen if kind == "mistake"] == [2, 4]
    assert [place for kind, place in chosen if kind == "typical"] == [0, 1, 3]
    assert [place for kind, place in chosen if kind == "unsure"] == [1, 2, 0, 3, 4]


def test_of_many_classes_the_worst_are_shown() -> None:
    """A hundred classes would be a page without end."""
    labels = np.arange(60)
    scores = np.eye(60, dtype=np.float32)
    scores[7] = np.roll(scores[7], 1)

    chosen = choose(SplitAnswers(scores, labels).probabilities(1.0), scores, labels)

    shown = {int(labels[place]) for kind, place in chosen if kind == "unsure"}
    assert len(shown) == 50
    assert 7 in shown


def test_large_images_are_shown_small() -> None:
    """At most 64 pixels a side, in the same shape; small ones stay as they are."""
    small = np.zeros((2, 32, 32, 3), dtype=np.uint8)

    assert shrunk(np.zeros((2, 256, 128, 3), dtype=np.uint8)).shape == (2, 64, 32, 3)
    assert shrunk(small) is small


def test_the_calibration_error_is_the_mean_distance() -> None:
    """Four answers of 0.9 of which half are right lie 0.4 apart; six of 1.0 are all right."""
    probabilities = np.array([[0.9, 0.1]] * 4 + [[1.0, 0.0]] * 6, dtype=np.float32)
    labels = np.array([0, 0, 1, 1] + [0] * 6)

    found = reliability(probabilities, labels)

    assert found.n == 10
    assert found.error == pytest.approx(0.4 * 0.4, abs=1e-6)
    assert [(b.n, round(b.accuracy, 3)) for b in found.bins if b.n] == [(4, 0.5), (6, 1.0)]
    assert len(found.bins) == 15
    assert sum(b.n for b in found.bins) == 10
