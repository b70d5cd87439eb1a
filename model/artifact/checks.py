"""The checks that every version passes before it serves, and every export before it is stored."""

import numpy as np
from numpy.typing import NDArray

from model.artifact.manifest import Manifest
from model.artifact.outputs import ContractError, Scores, Session

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
    size = (manifest.image_height, manifest.image_width)
    pictures = [golden.pixels(*size) for golden in manifest.golden]
    scores, probabilities, contributions, _ = session(np.stack(pictures))
    if contributions is None:
        message = "the model gives no contributions"
        raise ContractError(message)
    expected = np.array([golden.scores for golden in manifest.golden])
    _check_scores(scores, expected)
    _check_sums(scores, contributions)
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        message = "the probabilities of a golden input do not sum to 1"
        raise ContractError(message)


def _check_scores(scores: Scores, expected: NDArray[np.float64]) -> None:
    limit = GOLDEN_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    worst = float(np.abs(scores - expected).max())
    if not worst <= limit:  # also where worst is nan
        message = (
            f"golden inputs do not reproduce: a score is off by {worst:.3g}, the limit is "
            f"{limit:.3g}; the model is not the one that was exported"
        )
        raise ContractError(message)


def _check_sums(scores: Scores, contributions: Scores) -> None:
    off = np.abs(contributions.sum(axis=1) - scores)
    limit = SUM_TOLERANCE * np.abs(contributions).sum(axis=1) + np.finfo(np.float32).tiny
    if not (off <= limit).all():
        message = f"contributions do not sum to the score: off by up to {float(off.max()):.3g}"
        raise ContractError(message)
