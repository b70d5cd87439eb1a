"""How sure a prefix must be for its answer to be the whole network's."""

import numpy as np
from numpy.typing import NDArray

from model.artifact.anytime import Threshold

CONFIDENCES = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def find_thresholds(
    probability: NDArray[np.floating],
    agrees: NDArray[np.bool_],
    confidences: tuple[float, ...] = CONFIDENCES,
) -> tuple[Threshold, ...]:
    """Find the least probability at which the prefix agrees so often with the whole network.

    Args:
        probability: `(N,)`, the prefix's top-class probability on images it did not learn from.
        agrees: `(N,)`, whether the whole network gives the same class.
        confidences: ascending.

    Returns:
        One for each confidence c that is reached by the surest images, at least 1 / (1 - c) of
        them: fewer could not tell it from certainty.
    """
    order = np.argsort(-probability, kind="stable")
    sorted_probability = probability[order]
    count = np.arange(1, len(order) + 1)
    agreement = np.cumsum(agrees[order]) / count
    # Images of equal probability stop together: only the last of them can be the limit.
    is_last = np.append(sorted_probability[1:] < sorted_probability[:-1], np.True_)
    found = []
    for confidence in confidences:
        many = count * (1 - confidence) >= 1 - 1e-9  # 10 * (1 - 0.9) is not quite 1
        good = np.flatnonzero(is_last & many & (agreement >= confidence))
        if len(good):
            limit = float(sorted_probability[good[-1]])
            found.append(Threshold(confidence=confidence, probability=limit))
    return tuple(found)
