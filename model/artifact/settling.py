"""The layer at which a decision settled, read from the layers' contributions."""

import numpy as np
from numpy.typing import NDArray

from model.artifact.outputs import Scores


def settling_layers(contributions: Scores, scores: Scores) -> NDArray[np.int64]:
    """Find the first layer from which on the running sum names the class that is answered.

    Args:
        contributions: `(N, L, K)`, which summed over L are the scores.
        scores: `(N, K)`; of equal ones the first is the class that is named.

    Returns:
        `(N,)`, from 0 to L - 1.
    """
    sums = contributions.cumsum(axis=1)
    # The last sum is the score; added up here, it could be rounded towards another class.
    sums[:, -1] = scores
    is_other = sums.argmax(axis=2) != scores.argmax(axis=1)[:, None]
    from_the_end = is_other[:, ::-1]
    layers = contributions.shape[1]
    found: NDArray[np.int64] = np.where(
        from_the_end.any(axis=1), layers - from_the_end.argmax(axis=1), 0
    )
    return found
