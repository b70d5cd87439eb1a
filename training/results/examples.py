"""Images of the validation split that are worth a look: which ones, and as small pictures.

Axes: N images of the split, P chosen ones, L layers, K classes, H x W pixels.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# A mistake is one of the surest of all images, wrong one of the surest of its class.
Kind = Literal["mistake", "typical", "wrong", "unsure", "unfamiliar"]

_MISTAKES = 12
_PER_CLASS = 4
# With more classes than these, half as many images of each are shown ...
_FEW_CLASSES = 20
# ... and with more than these, only the classes that are answered worst.
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
        familiarity: `(P,)`, float32, which percentage of the validation images is less familiar:
            0 to 100; None in files of format 1.
        evidence: `(P, 2, H, W)`, float32, the evidence for the answer and for the label, on the
            grid of the pictures; a map summed is that class's score. None in files of format 1,
            and where the network cannot show evidence.
    """

    kinds: NDArray[np.str_]
    places: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    contributions: NDArray[np.float32]
    familiarity: NDArray[np.float32] | None = None
    evidence: NDArray[np.float32] | None = None

    def of(self, kind: Kind) -> list[int]:
        """List the rows of one kind, in the order in which they were chosen."""
        return [int(row) for row in np.flatnonzero(self.kinds == kind)]


def choose(
    probabilities: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    familiarity: NDArray[np.float32],
) -> list[tuple[Kind, int]]:
    """Choose the surest mistakes, and of each class the images that are worth a look.

    Args:
        probabilities: `(N, K)`, rows sum to 1.
        scores: `(N, K)`.
        labels: `(N,)`, in `[0, K)`.
        familiarity: `(N,)`, lower for what looks less like the images learned from.

    Returns:
        Kind and place of each. Typical is an image that is answered right with the widest margin
        of its score; least sure is one whose answer has the lowest probability, right or wrong.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    chosen: list[tuple[Kind, int]] = []

    def take(kind: Kind, among: NDArray[np.int64], by: NDArray[np.float32], count: int) -> None:
        chosen.extend((kind, int(n)) for n in _first(among, by, count))

    take("mistake", np.flatnonzero(~right), -confidence, _MISTAKES)
    # Probabilities of typical images all round to 1: the margin still tells them apart.
    margin = _margin(scores)
    classes = worst_classes(right, labels, probabilities.shape[1])
    count = _PER_CLASS if len(classes) <= _FEW_CLASSES else _PER_CLASS // 2
    for k in classes:
        own = np.flatnonzero(labels == k)
        take("typical", own[right[own]], -margin, count)
        take("wrong", own[~right[own]], -confidence, count)
        take("unsure", own, confidence, count)
        take("unfamiliar", own, familiarity, count)
    return chosen


def worst_classes(
    right: NDArray[np.bool_], labels: NDArray[np.int64], num_classes: int
) -> list[int]:
    """Give the classes that are shown, in their own order: at most 50, of the least accuracy."""
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels[right], minlength=num_classes)
    accuracy = np.where(counts > 0, hits / np.maximum(counts, 1), np.inf)
    worst = np.argsort(accuracy, kind="stable")[:_MOST_CLASSES]
    return sorted(worst.tolist())


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
