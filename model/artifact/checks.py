"""The checks that every version passes before it serves, and every export before it is stored."""

import numpy as np
from numpy.typing import NDArray

from model.artifact.anytime import PASSED
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import (
    CONTRIBUTIONS,
    AnswersError,
    ContractError,
    Scores,
    Session,
    Stage,
)

# How far a golden score may lie from the stored one, as a part of the largest score: another
# processor or batch size adds in another order.
GOLDEN_TOLERANCE = 1e-3
# Contributions sum to the score within this part of the sum of their absolute values.
SUM_TOLERANCE = 1e-5


def check_answers(manifest: Manifest, session: Session) -> None:
    """Run the golden inputs and hold the answers against the manifest.

    Args:
        manifest: says what must come out.
        session: runs the model.

    Raises:
        ContractError: a picture has the wrong size, a score is not reproduced, or the
            contributions do not sum to the scores.
    """
    scores, probabilities, contributions, _ = session(golden_pixels(manifest))
    if contributions is None:
        message = "the model gives no contributions"
        raise ContractError(message)
    expected = np.array([golden.scores for golden in manifest.golden])
    _check_scores(scores, expected)
    _check_sums(scores, contributions)
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        message = "the probabilities of a golden input do not sum to 1"
        raise AnswersError(message)


def check_stages(pixels: Pixels, session: Session, prefix: Stage, suffix: Stage) -> float:
    """Hold a network in two parts against the whole.

    Args:
        pixels: `(N, H, W, 3)`, uint8.
        session: runs the whole.
        prefix: runs the first layers.
        suffix: runs the others, on what the prefix passes on.

    Returns:
        The largest difference of a contribution, as a part of the sum of the absolute
        contributions to its image.

    Raises:
        ContractError: that part is over 1e-5, or no number.
    """
    whole = session(pixels).contributions
    first = prefix(pixels)
    parts = np.concatenate([first[CONTRIBUTIONS], suffix(first[PASSED])[CONTRIBUTIONS]], axis=1)
    if whole is None or parts.shape != whole.shape:
        message = f"the two parts give contributions of shape {parts.shape}, not the whole's"
        raise ContractError(message)
    size = np.abs(whole).sum(axis=(1, 2), keepdims=True) + np.finfo(np.float32).tiny
    worst = float((np.abs(parts - whole) / size).max())
    if not worst <= SUM_TOLERANCE:
        message = (
            f"prefix and suffix do not give the whole's contributions: off by {worst:.3g} of "
            f"their sum, the limit is {SUM_TOLERANCE:g}"
        )
        raise ContractError(message)
    return worst


def golden_pixels(manifest: Manifest) -> Pixels:
    """Decode the golden inputs: `(N, H, W, 3)`, uint8.

    Raises:
        ContractError: one is no picture, or has the wrong size.
    """
    size = (manifest.image_height, manifest.image_width)
    return np.stack([golden.pixels(*size) for golden in manifest.golden])


def _check_scores(scores: Scores, expected: NDArray[np.float64]) -> None:
    limit = GOLDEN_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    worst = float(np.abs(scores - expected).max())
    if not worst <= limit:  # also where worst is nan
        message = (
            f"golden inputs do not reproduce: a score is off by {worst:.3g}, the limit is "
            f"{limit:.3g}; the model is not the one that was exported"
        )
        raise AnswersError(message)


def _check_sums(scores: Scores, contributions: Scores) -> None:
    off = np.abs(contributions.sum(axis=1) - scores)
    limit = SUM_TOLERANCE * np.abs(contributions).sum(axis=1) + np.finfo(np.float32).tiny
    if not (off <= limit).all():
        message = f"contributions do not sum to the score: off by up to {float(off.max()):.3g}"
        raise AnswersError(message)
