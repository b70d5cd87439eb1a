"""Answers that are kept, images that are chosen from them, and whether probabilities hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trained import SmallModel
from training.errors import CheckpointError
from training.results.answers import RunAnswers, SplitAnswers
from training.results.channels import Channels
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
        familiarity=chance.uniform(0, 100, pictures).astype(np.float32),
        evidence=chance.normal(size=(pictures, 2, 8, 8)).astype(np.float32),
    )
    return RunAnswers(split, split, examples, channels())


def channels() -> Channels:
    """Make two strong channels of one layer."""
    return Channels(
        classes=np.array([0, 1]),
        layers=np.array([0, 0]),
        channels=np.array([3, 2]),
        shares=np.array([0.9, 0.8], np.float32),
        weights=np.array([0.2, 0.1], np.float32),
        fields=np.array([3, 3]),
        sides=np.array([3, 3]),
        patches=np.zeros((2, 4, 3, 3, 3), np.uint8),
        responses=np.ones((2, 4), np.float32),
        places=np.tile(np.arange(4), (2, 1)),
    )


@pytest.mark.parametrize("pictures", [3, 0])
def test_answers_come_back(tmp_path: Path, pictures: int) -> None:
    """To the bit, and without running anything from the file; also where no image was chosen."""
    kept = answers(pictures)

    kept.save(tmp_path / "answers.npz")
    found = RunAnswers.load(tmp_path / "answers.npz")

    for part in ("validation", "test", "examples", "channels"):
        for name, array in vars(getattr(kept, part)).items():
            assert np.array_equal(getattr(getattr(found, part), name), array)


def test_answers_of_the_first_format_are_read(tmp_path: Path) -> None:
    """They have no evidence, no familiarity and no channels; what they have is as it was."""
    kept = answers()
    bare = replace(kept.examples, familiarity=None, evidence=None)
    path = tmp_path / "answers.npz"
    replace(kept, examples=bare, channels=None).save(path)
    with np.load(path) as file:
        content = dict(file) | {"format": np.int64(1)}
    np.savez_compressed(path, **content)

    found = RunAnswers.load(path)

    assert found.channels is None
    assert found.examples.evidence is None
    assert found.examples.familiarity is None
    assert np.array_equal(found.examples.pictures, kept.examples.pictures)


def test_answers_of_a_later_format_are_refused(tmp_path: Path) -> None:
    """By its number, not by what happens to be missing."""
    path = tmp_path / "answers.npz"
    answers().save(path)
    with np.load(path) as file:
        content = dict(file) | {"format": np.int64(3)}
    np.savez_compressed(path, **content)

    with pytest.raises(CheckpointError, match="is of format 3, not 2"):
        RunAnswers.load(path)


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

    chosen = choose(probabilities, scores, labels, np.zeros(5, np.float32))

    assert [place for kind, place in chosen if kind == "mistake"] == [2, 4]
    assert [place for kind, place in chosen if kind == "typical"] == [0, 1, 3]
    assert [place for kind, place in chosen if kind == "wrong"] == [2, 4]
    assert [place for kind, place in chosen if kind == "unsure"] == [1, 2, 0, 3, 4]


@given(
    labels=st.lists(st.integers(0, 24), min_size=1, max_size=80),
    num_classes=st.sampled_from([25, 60]),
    seed=st.integers(0, 9),
)
def test_the_least_familiar_of_each_class_are_chosen(
    labels: list[int], num_classes: int, seed: int
) -> None:
    """No image of the class that is left out looks less familiar, and the page stays bounded."""
    truth, chance = np.array(labels), np.random.default_rng(seed)
    scores = chance.normal(size=(len(truth), num_classes)).astype(np.float32)
    familiarity = chance.normal(size=len(truth)).astype(np.float32)
    probabilities = SplitAnswers(scores, truth).probabilities(1.0)

    chosen = choose(probabilities, scores, truth, familiarity)

    assert len(chosen) <= 12 + 50 * 4 * 2
    taken = [place for kind, place in chosen if kind == "unfamiliar"]
    for k in {int(truth[place]) for place in taken}:
        own = np.flatnonzero(truth == k)
        shown = [place for place in taken if truth[place] == k]
        assert shown == own[np.argsort(familiarity[own], kind="stable")][:2].tolist()


def test_of_many_classes_the_worst_are_shown() -> None:
    """A hundred classes would be a page without end."""
    labels = np.arange(60)
    scores = np.eye(60, dtype=np.float32)
    scores[7] = np.roll(scores[7], 1)

    chosen = choose(SplitAnswers(scores, labels).probabilities(1.0), scores, labels, scores[0])

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
