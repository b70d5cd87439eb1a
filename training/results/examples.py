"""Images of the validation split that are worth a look: which ones, and as small pictures.

Axes: N images of the split, P chosen ones, L layers, K classes, H x W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Kind = Literal["mistake", "typical", "unsure"]

_MISTAKES = 12
_PER_CLASS = 4
# With more classes than these, only the ones that are answered worst are shown.
_MOST_CLASSES = 50
_LARGEST_SIDE = 64


@dataclass(frozen=True)
class Examples:
    """Chosen images, with what is known of them.

    Attributes:
        kinds: `(P,)`, text: why each is shown, see `Kind`.
        places: `(P,)`, int64: of each in the validation split.
        pictures: `(P, H, W, 3)`, uint8, no side above 64.
        contributions: `(P, L, K)`, float32, which summed over L are the scores.
    """

    kinds: NDArray[np.str_]
    places: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    contributions: NDArray[np.float32]

    def of(self, kind: Kind) -> list[int]:
        """List the rows of one kind, in the order in which they were chosen."""
        return [int(row) for row in np.flatnonzero(self.kinds == kind)]


def choose(
    probabilities: NDArray[np.float32], scores: NDArray[np.float32], labels: NDArray[np.int64]
) -> list[tuple[Kind, int]]:
    """Choose the surest mistakes, and of each class the most typical and the least sure images.

    Args:
        probabilities: `(N, K)`, rows sum to 1.
        scores: `(N, K)`.
        labels: `(N,)`, in `[0, K)`.

    Returns:
        Kind and place of each. Typical is an image that is answered right with the widest margin
        of its score; least sure is one whose answer has the lowest probability, right or wrong.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    wrong = np.flatnonzero(~right)
    chosen: list[tuple[Kind, int]] = []
    chosen += [("mistake", int(n)) for n in _first(wrong, -confidence, _MISTAKES)]
    # Probabilities of typical images all round to 1: the margin still tells them apart.
    margin = _margin(scores)
    for k in _worst_classes(right, labels, probabilities.shape[1]):
        own = np.flatnonzero(labels == k)
        chosen += [("typical", int(n)) for n in _first(own[right[own]], -margin, _PER_CLASS)]
        chosen += [("unsure", int(n)) for n in _first(own, confidence, _PER_CLASS)]
    return chosen


def shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make pictures of `(P, H, W, 3)` images whose longer side is at most 64 pixels."""
    height, width = images.shape[1:3]
    scale = min(1.0, _LARGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale == 1.0 or len(images) == 0:
        return images
    return np.stack(
        [np.asarray(Image.fromarray(i).resize(size, Image.Resampling.BOX)) for i in images]
    )


def _first(among: NDArray[np.int64], by: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Take the places with the least values; among equals those that stand first."""
    return among[np.argsort(by[among], kind="stable")[:count]]


def _margin(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    best = np.sort(scores, axis=1)
    return best[:, -1] - best[:, -2]


def _worst_classes(
    right: NDArray[np.bool_], labels: NDArray[np.int64], num_classes: int
) -> Iterator[int]:
    """Give the classes in their own order, at most 50: those with the least accuracy."""
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels[right], minlength=num_classes)
    accuracy = np.where(counts > 0, hits / np.maximum(counts, 1), np.inf)
    worst = np.argsort(accuracy, kind="stable")[:_MOST_CLASSES]
    return (int(k) for k in sorted(worst))
