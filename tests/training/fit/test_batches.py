"""Batches: every image once an epoch, in an order that the seed and the epoch decide."""

from pathlib import Path

import torch

from tests.pictures import write_folder
from tests.training.data.sets import NeverWhole, load
from tests.training.fit.small import settings
from training.data.augment import Augmentation
from training.data.dataset import Split
from training.fit.batches import Batches, dealt


def batches(seed: int = 0) -> Batches:
    """Deal ten images, none of them black, in batches of three."""
    images = torch.arange(1, 11, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 4, 4, 3)
    return Batches(
        Split(images.contiguous(), torch.arange(10)), 3, seed, Augmentation(padding=1, flip=True)
    )


def test_an_epoch_deals_whole_batches_and_no_image_twice() -> None:
    """What is left over differs from epoch to epoch."""
    orders = [batches().order(epoch).flatten().tolist() for epoch in range(20)]

    assert batches().steps == 3
    assert all(len(set(order)) == 9 for order in orders)
    assert len({sum(range(10)) - sum(order) for order in orders}) > 3


def test_a_batch_depends_on_seed_epoch_and_step_alone() -> None:
    """Asked for again, out of turn, it is the same to the byte."""
    first = batches().augmented(torch.tensor([4, 2]), epoch=1, step=2)
    batches().augmented(torch.tensor([4, 2]), epoch=0, step=0)
    again = batches().augmented(torch.tensor([4, 2]), epoch=1, step=2)

    assert torch.equal(first.images, again.images)
    assert first.labels.tolist() == [4, 2]


def test_augmentation_differs_from_step_to_step() -> None:
    """The same images are shifted otherwise."""
    everything = torch.arange(10)

    one, other = (batches().augmented(everything, epoch=0, step=step) for step in (0, 1))

    assert not torch.equal(one.images, other.images)


def test_dealing_out_reads_no_image(tmp_path: Path) -> None:
    """The training split may be larger than memory."""
    source = write_folder(tmp_path / "colours", per_class=12)
    dataset = load(f"folder:{source}")

    found = dealt(settings(source), NeverWhole.of(dataset.train), dataset)

    assert found.steps == len(dataset.train) // 8
