"""A data set: splits of uint8 images with their labels, as rows of pools that nothing copies."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]

_PART_BYTES = 1 << 22
# Of one activity of 64 channels at the images' own size; a pass holds a few of that at once.
_ACTIVITY_BYTES, _CHANNELS = 1 << 27, 64


def at_once(height: int, width: int, most: int) -> int:
    """Say how many images may pass a network together: `most`, or fewer of large ones, at least 1.

    Args:
        height: of the images, in pixels.
        width: likewise.
        most: of small images.
    """
    per_image = 4 * _CHANNELS * height * width
    return max(1, min(most, _ACTIVITY_BYTES // per_image))


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    The splits of a folder share one pool, which may be a file mapped into memory: to split, shuffle
    or limit images moves row numbers, and pixels are gathered where a batch of them is used.

    Attributes:
        pool: `(P, H, W, 3)`, uint8; never written to.
        labels: `(N,)`, int64, in `[0, K)`.
        rows: `(N,)`, int64, where each image lies in the pool; None: the pool as it is.
    """

    pool: Tensor
    labels: Tensor
    rows: Tensor | None = None

    @property
    def images(self) -> Tensor:
        """The images: `(N, H, W, 3)`, uint8; gathered anew at every call where there are rows."""
        return self.pool if self.rows is None else self.pool.index_select(0, self.rows)

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def take(self, indices: Tensor) -> "Split":
        """Pick images by their positions."""
        rows = indices if self.rows is None else self.rows[indices]
        return Split(self.pool, self.labels[indices], rows)

    def part(self, start: int, stop: int | None) -> "Split":
        """Keep the images from position `start` up to `stop`, or to the end."""
        if self.rows is None:
            return Split(self.pool[start:stop], self.labels[start:stop])
        return Split(self.pool, self.labels[start:stop], self.rows[start:stop])

    def first(self, limit: int | None) -> "Split":
        """Keep the first `limit` images, or all."""
        return self.part(0, limit)

    def parts(self, size: int | None = None) -> Iterator["Split"]:
        """Go through the images in order, `size` at a time, or as many as make up 4 MiB."""
        if size is None:
            size = max(1, _PART_BYTES // max(1, self.pool[:1].numel()))
        return (self.part(start, start + size) for start in range(0, len(self), size))

    def passes(self, most: int) -> Iterator["Split"]:
        """Go through the images in order, as many at a time as `at_once` says."""
        return self.parts(self.at_once(most))

    def at_once(self, most: int) -> int:
        """Say how many of the images may pass a network together, as `at_once` does."""
        _, height, width, _ = self.pool.shape
        return at_once(height, width, most)

    def to(self, device: torch.device) -> "Split":
        """Put images and labels on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """A data set, decoded whole.

    Attributes:
        train: images to learn from and, where `validation` is None, to validate on.
        test: images read once, at the end.
        labels: the K class names, by label.
        may_flip: whether a mirrored image is still of its class.
        validation: images that the data's maker set aside for validation, or None.
        keys: `(P,)`, int64, by which the images of the splits' one pool are drawn; None: by place.
    """

    train: Split
    test: Split
    labels: tuple[str, ...]
    may_flip: bool
    validation: Split | None = None
    keys: Tensor | None = None

    def splits(self) -> tuple[Split, ...]:
        """Give the splits that there are."""
        return tuple(s for s in (self.train, self.validation, self.test) if s is not None)

    def fingerprint(self) -> str:
        """Give the sha256 of every pixel and of every split in order, in hex."""
        # The rule by which a run splits its data counts too: under another rule, images that a
        # run or a published version learned from would count as validation images.
        by_path = b"" if self.keys is None else b" by path"
        digest = hashlib.sha256(b"stratified validation" + by_path)
        hashed: list[Tensor] = []
        for split in self.splits():
            if not any(split.pool is pool for pool in hashed):
                hashed.append(split.pool)
                for part in Split(split.pool, torch.empty(len(split.pool))).parts():
                    digest.update(part.pool.numpy().reshape(-1).data)
            rows = torch.empty(0, dtype=torch.int64) if split.rows is None else split.rows
            for numbers in (torch.tensor([len(split), len(rows)]), rows, split.labels):
                digest.update(numbers.numpy().data)
        return digest.hexdigest()


def joined(parts: list[Arrays]) -> Split:
    """Put arrays of images and labels one after the other into a split."""
    images = np.ascontiguousarray(np.concatenate([images for images, _ in parts]))
    labels = np.concatenate([labels for _, labels in parts])
    return Split(torch.from_numpy(images), torch.from_numpy(labels))
