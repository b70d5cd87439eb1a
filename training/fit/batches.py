"""The batches of an epoch: their order, and how each is augmented."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.augment import crop_and_flip, cut_out
from training.data.dataset import Split
from training.fit.chance import chance


@dataclass(frozen=True)
class Batches:
    """Deals the training images out, by seed, epoch and step alone.

    Attributes:
        train: the images to learn from, on the CPU.
        size: images in a batch.
        seed: of the run.
        padding: the largest random shift in pixels.
        flip: whether images are mirrored at random.
        cutout: side of the square that is painted grey; 0: none.
    """

    train: Split
    size: int
    seed: int
    padding: int
    flip: bool
    cutout: int = 0

    @property
    def steps(self) -> int:
        """Whole batches in an epoch; the images left over differ from epoch to epoch."""
        return len(self.train) // self.size

    def order(self, epoch: int) -> Tensor:
        """Give the positions of each batch's images: `(steps, size)`, int64."""
        order = torch.randperm(len(self.train), generator=chance(self.seed, epoch))
        return order[: self.steps * self.size].view(self.steps, -1)

    def augmented(self, indices: Tensor, epoch: int, step: int) -> Split:
        """Take one batch, with its images shifted, mirrored and cut out by chance."""
        batch = self.train.take(indices)
        generator = chance(self.seed, epoch, step)
        images = crop_and_flip(batch.images, self.padding, self.flip, generator)
        if self.cutout:
            images = cut_out(images, self.cutout, generator)
        return Split(images, batch.labels)
