"""The manifest and the checks that every version has to pass."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from model.artifact.checks import check_answers
from model.artifact.image import Pixels
from model.artifact.manifest import Golden, Manifest
from model.artifact.outputs import ContractError, Outputs, Scores
from tests.trained import SmallModel


def answers(manifest: Manifest) -> Outputs:
    """Give the very answers the manifest expects."""
    scores = np.array([golden.scores for golden in manifest.golden], np.float32)
    probabilities = np.full_like(scores, 1 / scores.shape[1])
    contributions = np.stack([0.25 * scores, 0.75 * scores], axis=1)
    return Outputs(scores, probabilities, contributions)


@pytest.fixture
def manifest(small_models: list[SmallModel]) -> Manifest:
    """Take a real manifest."""
    return small_models[0].manifest


def test_manifest_survives_json(manifest: Manifest) -> None:
    """Written and read again it is the same."""
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_manifest_says_what_was_trained(manifest: Manifest) -> None:
    """Labels, layers, accuracy with n, settings and fingerprints are all there."""
    assert manifest.labels == ("blue", "green", "red")
    assert [layer.name for layer in manifest.layers] == ["stem", "block2"]
    assert sum(layer.weight for layer in manifest.layers) == pytest.approx(1)
    assert manifest.accuracy.n > 0
    assert manifest.training["widths"] == [8, 12]
    assert manifest.training["data"] == "folder"
    assert len(manifest.golden) == 4


def test_golden_pictures_come_back_to_the_pixel() -> None:
    """PNG in base64 loses nothing."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)

    golden = Golden.of(pixels, np.zeros(2, np.float32))

    assert (golden.pixels(9, 7) == pixels).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "a", "b"]}, "labels are not unique"),
        ({"labels": ["a", "b"]}, "input and outputs must be"),
        ({"image_height": 32}, "input and outputs must be"),
        ({"format": 2}, "format"),
        ({"model_sha256": "xyz"}, "model_sha256"),
        ({"golden": []}, "golden"),
        ({"surprise": 1}, "surprise"),
        ({"temperature": float("inf")}, "temperature"),
        ({"golden": [{"png": "", "scores": [float("inf"), 0, 0]}]}, "golden"),
    ],
)
def test_a_manifest_at_odds_with_itself_does_not_parse(
    manifest: Manifest, change: dict[str, Any], message: str
) -> None:
    """Fields that contradict each other, or are unknown, are named."""
    with pytest.raises(ValidationError, match=message):
        Manifest.model_validate({**manifest.model_dump(), **change})


def test_right_answers_pass(manifest: Manifest) -> None:
    """A model that reproduces its golden scores is taken."""
    check_answers(manifest, lambda _pixels, _wanted=None: answers(manifest))


def test_a_score_that_is_off_is_refused(manifest: Manifest) -> None:
    """A model with other weights does not reproduce its golden scores."""
    scores, probabilities, contributions, _ = answers(manifest)
    scores[1, 2] += 0.1

    with pytest.raises(ContractError, match=r"do not reproduce: a score is off by 0\.1"):
        check_answers(manifest, lambda _p, _w=None: Outputs(scores, probabilities, contributions))


def test_scores_that_are_not_numbers_are_refused(manifest: Manifest) -> None:
    """NaN compares with nothing, and must not slip through for that."""
    scores, probabilities, contributions, _ = answers(manifest)
    scores[0, 0] = np.nan

    with pytest.raises(ContractError, match="do not reproduce"):
        check_answers(manifest, lambda _p, _w=None: Outputs(scores, probabilities, contributions))


def test_contributions_must_sum_to_the_score(manifest: Manifest) -> None:
    """A model whose explanation does not add up is refused."""
    scores, probabilities, contributions, _ = answers(manifest)

    with pytest.raises(ContractError, match="contributions do not sum to the score"):
        check_answers(
            manifest, lambda _p, _w=None: Outputs(scores, probabilities, contributions * 1.01)
        )


def test_golden_pictures_of_another_size_are_refused(manifest: Manifest) -> None:
    """Pictures must have the size the model takes."""
    wrong = Golden.of(np.zeros((4, 4, 3), np.uint8), np.zeros(3, np.float32))
    changed = manifest.model_copy(update={"golden": (wrong,)})

    def never(_: Pixels) -> tuple[Scores, Scores, Scores]:
        raise AssertionError

    with pytest.raises(ContractError, match=r"shape \(4, 4, 3\), the model takes \(16, 16, 3\)"):
        check_answers(changed, never)
