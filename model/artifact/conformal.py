"""What a manifest says about sets of classes that hold the true one as often as asked."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from model.artifact.outputs import Frozen, Scores

# Hundredths, and thousandths from 0.9 on: what lies between takes the next higher one.
CONFIDENCES = tuple(x / 1000 for x in (*range(10, 900, 10), *range(900, 1000)))
# What a product of floats may be over a whole number.
_SLACK = 1e-9


class ConformalScale(Frozen):
    """How little the network thought of the validation images' true classes.

    The nonconformity of an image and a class is 1 less the class's probability. A set of the
    classes whose nonconformity is at most that of rank `ceil((n + 1) * c)` holds the true class
    with a probability of at least c, for images drawn as the validation images were, as far as
    these have not chosen the network too (`docs/explanations.md`).

    Source: split conformal prediction (Vovk et al., 2005); the score is that of the least
        ambiguous sets (Sadinle et al., JASA 2019), which are the smallest on average. Ours are
        that the most probable class is always in, and that ranks between stored ones round up.

    Attributes:
        ranks: those that are stored, rising; the last one is n.
        scores: the nonconformity of the true class at each of these ranks, rising.
        n: the validation images.
    """

    ranks: tuple[int, ...] = Field(min_length=1)
    scores: tuple[float, ...]
    n: int = Field(ge=1)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.scores) != len(self.ranks):
            message = f"{len(self.ranks)} ranks have {len(self.scores)} scores"
            raise ValueError(message)
        if self.ranks[0] < 1 or self.ranks[-1] != self.n or not _rise(self.ranks, strictly=True):
            message = f"the ranks of a conformal scale must rise from 1 or more to n = {self.n}"
            raise ValueError(message)
        if not _rise(self.scores) or self.scores[0] < 0 or self.scores[-1] > 1:
            message = "the scores of a conformal scale must rise, from 0 at least to 1 at most"
            raise ValueError(message)
        return self

    @classmethod
    def of(cls, probabilities: NDArray[np.floating]) -> Self:
        """Calibrate by `(n,)` probabilities of the true classes of images not learned from."""
        # Rounded, a probability may be a little over 1.
        scores = np.sort(1 - probabilities.astype(np.float64)).clip(0, 1)
        n = len(scores)
        ranks = sorted({_rank(c, n) for c in CONFIDENCES if _rank(c, n) <= n} | {n})
        return cls(ranks=tuple(ranks), scores=tuple(scores[np.array(ranks) - 1].tolist()), n=n)

    def limit(self, confidence: float) -> float:
        """Give the nonconformity up to which a class is in the set.

        Args:
            confidence: over 0, at most 1; above n / (n + 1) every class is in, for n images
                cannot show that anything is rarer.
        """
        rank = _rank(confidence, self.n)
        return self.scores[bisect_left(self.ranks, rank)] if rank <= self.n else math.inf

    def members(self, probabilities: Scores, confidence: float) -> NDArray[np.bool_]:
        """Tell which classes are in the set of each image: `(N, K)`, at least one an image.

        Args:
            probabilities: `(N, K)`, of the whole network.
            confidence: that the true class is among them.
        """
        # In float64, as the scores were made: in float32 a class could miss its own limit.
        inside: NDArray[np.bool_] = 1 - probabilities.astype(np.float64) <= self.limit(confidence)
        inside |= probabilities == probabilities.max(axis=1, keepdims=True)
        return inside


def _rank(confidence: float, n: int) -> int:
    """Say which of n sorted scores is enough: n + 1 counts the image that is asked about."""
    return max(1, math.ceil((n + 1) * confidence - _SLACK))


def _rise(values: Iterable[float], *, strictly: bool = False) -> bool:
    return all(low < high or (low == high and not strictly) for low, high in pairwise(values))
