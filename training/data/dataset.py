"""A data set in memory: splits of uint8 images with their labels."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes:
        images: `(N, H, W, 3)`, uint8.
        labels: `(N,)`, int64, in `[0, K)`.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def take(self, indices: Tensor) -> "Split":
        """Pick images by their positions."""
        return Split(self.images[indices], self.labels[indices])

    def first(self, limit: int | None) -> "Split":
        """Keep the first `limit` images, or all."""
        return Split(self.images[:limit], self.labels[:limit])

    def to(self, device: torch.device) -> "Split":
        """Put images and labels on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """A data set, read whole.

    Attributes:
        train: images to learn from and to validate on.
        test: images read once, at the end.
        labels: the K class names, by label.
        may_flip: whether a mirrored image is still of its class.
    """

    train: Split
    test: Split
    labels: tuple[str, ...]
    may_flip: bool

    def fingerprint(self) -> str:
        """Give the sha256 of every pixel and label in order, in hex."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(split.images.numpy().tobytes())
            digest.update(split.labels.numpy().tobytes())
        return digest.hexdigest()


def joined(parts: list[Arrays]) -> Split:
    """Put arrays of images and labels one after the other into a split."""
    images = np.ascontiguousarray(np.concatenate([images for images, _ in parts]))
    labels = np.concatenate([labels for _, labels in parts])
    return Split(torch.from_numpy(images), torch.from_numpy(labels))
