"""The batches of an epoch: their order, and how each is augmented."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.augment import Augmentation, draw_shifts
from training.data.dataset import Dataset, Split
from training.errors import ConfigError
from training.fit.chance import chance
from training.settings.fit import FitSettings


@dataclass(frozen=True)
class Batches:
    """Deals the training images out, by seed, epoch and step alone.

    Attributes:
        train: the images to learn from, on the CPU.
        size: images in a batch.
        seed: of the run.
        augmentation: what happens to them by chance.
    """

    train: Split
    size: int
    seed: int
    augmentation: Augmentation

    @property
    def steps(self) -> int:
        """Whole batches in an epoch; the images left over differ from epoch to epoch."""
        return len(self.train) // self.size

    def order(self, epoch: int) -> Tensor:
        """Give the positions of each batch's images: `(steps, size)`, int64."""
        order = torch.randperm(len(self.train), generator=chance(self.seed, epoch))
        return order[: self.steps * self.size].view(self.steps, -1)

    def augmented(self, indices: Tensor, epoch: int, step: int) -> Split:
        """Take one batch, with its images augmented by chance."""
        batch = self.train.take(indices)
        generator = chance(self.seed, epoch, step)
        return Split(self.augmentation(batch.images, generator), batch.labels)

    def mirrored(self, number: int, epoch: int, step: int) -> Tensor:
        """Tell which images of a batch `augmented` mirrors: `(N,)`, bool."""
        padding, flip = self.augmentation.padding, self.augmentation.flip
        return draw_shifts(number, padding, flip, chance(self.seed, epoch, step))[1]


def dealt(settings: FitSettings, train: Split, dataset: Dataset) -> Batches:
    """Deal out the images to learn from as the settings say; by default digits are not mirrored.

    Raises:
        ConfigError: augmentation would leave nothing of an image.
    """
    data = settings.data
    _, height, width, _ = train.pool.shape
    for name, pixels in (("crop_padding", data.crop_padding), ("cutout", data.cutout)):
        if pixels > min(height, width):
            message = f"{name} {pixels} is more than the images' {width} x {height} pixels"
            raise ConfigError(message)
    flip = dataset.may_flip if data.flip is None else data.flip
    augmentation = Augmentation(
        padding=data.crop_padding,
        flip=flip,
        cutout=data.cutout,
        crop_scale=data.crop_scale,
        colour=data.colour,
        rotate=data.rotate,
        elastic=data.elastic,
    )
    return Batches(train, settings.optimiser.batch_size, settings.run.seed, augmentation)
