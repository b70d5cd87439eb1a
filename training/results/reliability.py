"""Whether probabilities mean what they say: the reliability of answers, in bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies in one interval.

    Attributes:
        low: the interval's lower end, not in it.
        high: its upper end, in it.
        n: answers in it.
        confidence: their mean probability; 0 for an empty bin.
        accuracy: how many of them are right; 0 for an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How far confidence and accuracy lie apart.

    Attributes:
        n: answers.
        error: the expected calibration error (ECE), 0 to 1.
        bins: 15 of equal width.
    """

    n: int
    error: float
    bins: tuple[Bin, ...]


def reliability(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Reliability:
    """Compare the probability of each answer with how often such answers are right.

    Args:
        probabilities: `(N, K)`, rows sum to 1.
        labels: `(N,)`, in `[0, K)`.

    Source: Guo et al. (ICML 2017), equation 3, with 15 bins of equal width as there.
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    # A bin holds its upper end: float32 rows may add up to a hair more than 1.
    place = np.clip(np.ceil(confidence * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    bins = tuple(_bin(b, confidence[place == b], right[place == b]) for b in range(NUM_BINS))
    n = len(labels)
    error = sum(b.n * abs(b.accuracy - b.confidence) for b in bins) / n
    return Reliability(n, error, bins)


def _bin(number: int, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Bin:
    low, high, n = number / NUM_BINS, (number + 1) / NUM_BINS, len(right)
    if n == 0:
        return Bin(low, high, 0, 0.0, 0.0)
    return Bin(low, high, n, float(confidence.mean()), float(right.mean()))
