"""The manifest and the checks that every version has to pass."""

import base64
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from model.artifact.checks import check_answers
from model.artifact.image import Pixels
from model.artifact.manifest import Golden, Manifest
from model.artifact.outputs import ContractError, Outputs, Session
from tests.model.artifact.tiny import TinyModel
from tests.pictures import png_of_size


def answers(manifest: Manifest) -> Outputs:
    """Give the very answers the manifest expects."""
    scores = np.array([golden.scores for golden in manifest.golden], np.float32)
    probabilities = np.full_like(scores, 1 / scores.shape[1])
    contributions = np.stack([0.25 * scores, 0.75 * scores], axis=1)
    return Outputs(scores, probabilities, contributions)


@pytest.fixture
def manifest(tiny_models: list[TinyModel]) -> Manifest:
    """Take a real manifest."""
    return tiny_models[0].manifest


def test_manifest_survives_json(manifest: Manifest) -> None:
    """Written and read again it is the same."""
    assert Manifest.model_validate_json(manifest.to_json()) == manifest


def test_what_is_not_used_is_not_written(manifest: Manifest) -> None:
    """A goodserve from before there was such a thing would refuse the field."""
    later = {n for n, field in Manifest.model_fields.items() if field.default is None}
    bare = manifest.model_copy(update=dict.fromkeys(later))

    assert {"anytime", "holdout", "parent"} <= later
    assert later.isdisjoint(json.loads(bare.to_json()))
    assert set(json.loads(bare.to_json())) == set(Manifest.model_fields) - later


def test_golden_pictures_come_back_to_the_pixel() -> None:
    """PNG in base64 loses nothing."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)

    golden = Golden.of(pixels, np.zeros(2, np.float32))

    assert (golden.pixels(9, 7) == pixels).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "a", "b"]}, "labels are not unique"),
        ({"labels": ["a", "b"]}, r"output 'scores' must be float32 \('N', 2\), not .*'N', 3"),
        ({"image_height": 32}, "the input must be"),
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


def session_giving(outputs: Outputs) -> Session:
    """Make a session that answers any batch with the first rows of `outputs`."""

    def session(pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        assert wanted is None
        return outputs.rows(0, len(pixels))

    return session


def test_right_answers_pass(manifest: Manifest) -> None:
    """A model that reproduces its golden scores is taken."""
    check_answers(manifest, session_giving(answers(manifest)))


@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_a_score_that_is_off_is_refused(manifest: Manifest, wrong: float) -> None:
    """A model with other weights does not reproduce its golden scores; nor does NaN."""
    right = answers(manifest)
    right.scores[1, 2] += wrong

    with pytest.raises(ContractError, match=r"do not reproduce: a score is off by (0\.1|nan)"):
        check_answers(manifest, session_giving(right))


def test_contributions_must_sum_to_the_score(manifest: Manifest) -> None:
    """A model whose explanation does not add up is refused."""
    right = answers(manifest)
    assert right.contributions is not None
    wrong = right._replace(contributions=right.contributions * 1.01)

    with pytest.raises(ContractError, match="contributions do not sum to the score"):
        check_answers(manifest, session_giving(wrong))


def test_a_model_without_contributions_is_refused(manifest: Manifest) -> None:
    """Scores alone cannot be explained."""
    with pytest.raises(ContractError, match="the model gives no contributions"):
        check_answers(manifest, session_giving(answers(manifest)._replace(contributions=None)))


def test_probabilities_must_sum_to_one(manifest: Manifest) -> None:
    """A model whose probabilities are none is refused."""
    right = answers(manifest)
    wrong = right._replace(probabilities=right.probabilities * 2)

    with pytest.raises(ContractError, match="probabilities of a golden input do not sum to 1"):
        check_answers(manifest, session_giving(wrong))


def never(pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
    """Fail if the model is run."""
    raise AssertionError(pixels.shape, wanted)


def test_golden_pictures_of_another_size_are_refused(manifest: Manifest) -> None:
    """Pictures must have the size the model takes."""
    wrong = Golden.of(np.zeros((4, 4, 3), np.uint8), np.zeros(3, np.float32))
    changed = manifest.model_copy(update={"golden": (wrong,)})

    with pytest.raises(ContractError, match="has 4 x 4 pixels, the model takes 16 x 16"):
        check_answers(changed, never)


@pytest.mark.parametrize("sizes", [[(30_000, 30_000)], [(16, 16), (30_000, 30_000)]])
def test_a_huge_golden_picture_is_refused_before_it_is_decoded(
    manifest: Manifest, sizes: list[tuple[int, int]]
) -> None:
    """A header of 900 million pixels, the only one or a second one, costs no time."""
    huge = png_of_size(*sizes)
    golden = Golden(png=base64.b64encode(huge).decode(), scores=(0.0, 0.0, 0.0))
    changed = manifest.model_copy(update={"golden": (golden,)})

    start = time.process_time()
    with pytest.raises(ContractError, match="golden input"):
        check_answers(changed, never)

    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("png", ["", "%", "iVBORw0KGgo="])
def test_a_golden_picture_that_is_none_is_refused(manifest: Manifest, png: str) -> None:
    """Whatever the text is, the error is ours and says which part is bad."""
    changed = manifest.model_copy(update={"golden": (Golden(png=png, scores=(0.0, 0.0, 0.0)),)})

    with pytest.raises(ContractError, match="a golden input is no readable PNG"):
        check_answers(changed, never)
