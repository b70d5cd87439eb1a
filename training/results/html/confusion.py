"""Which classes are taken for which, as a table or a picture needs it. K classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.results.html.heat import Picture, painted

# A wider table could not be read.
_WIDEST_TABLE = 20
_MOST_CONFUSIONS = 10


@dataclass(frozen=True)
class Confusion:
    """The confusions of one split.

    Attributes:
        n: images.
        counts: a row for each label, a column for each answer.
        shares: the same, as parts of their row.
        picture: of the shares, where they are too many for a table.
        worst: label, answer, how often, and as a part of the label's images; at most ten.
    """

    n: int
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    picture: Picture | None
    worst: tuple[tuple[str, str, int, float], ...]


def confusion(
    names: Sequence[str], answers: NDArray[np.int64], labels: NDArray[np.int64]
) -> Confusion:
    """Count the answers `(N,)` to images of each label `(N,)`."""
    size = len(names)
    counts = np.bincount(labels * size + answers, minlength=size * size).reshape(size, size)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    wrong = counts * (1 - np.eye(size, dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    places = [divmod(int(place), size) for place in order]
    return Confusion(
        n=len(labels),
        counts=tuple(map(tuple, counts.tolist())),
        shares=tuple(map(tuple, shares.tolist())),
        picture=painted(shares) if size > _WIDEST_TABLE else None,
        worst=tuple(
            (names[row], names[column], int(counts[row, column]), float(shares[row, column]))
            for row, column in places
            if wrong[row, column] > 0
        ),
    )
