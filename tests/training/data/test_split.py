"""Validation images: set aside by chance, and no class lost."""

import pytest
import torch

from training.data.dataset import Split
from training.data.split import split_validation
from training.errors import DataError


def test_validation_is_a_part_of_training_by_chance() -> None:
    """The two parts are disjoint, together everything, and decided by the seed."""
    images = torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1)
    train = Split(images, torch.arange(20) % 2)

    learned, kept = split_validation(train, 0.25, seed=3)

    together = torch.cat([learned.images, kept.images]).flatten().tolist()
    assert (len(learned), len(kept)) == (15, 5)
    assert sorted(together) == list(range(20))
    assert split_validation(train, 0.25, seed=3)[1].images.equal(kept.images)
    assert not split_validation(train, 0.25, seed=4)[1].images.equal(kept.images)


def test_too_little_to_split_is_an_error() -> None:
    """One of two images cannot be kept as a hundredth."""
    train = Split(torch.zeros(2, 1, 1, 3, dtype=torch.uint8), torch.arange(2))

    with pytest.raises(DataError, match=r"cannot keep 0\.01 of 2 training images"):
        split_validation(train, 0.01, seed=0)


@pytest.mark.parametrize("seed", range(8))
def test_no_class_is_left_without_an_image_to_learn_from(seed: int) -> None:
    """Where the validation split takes the only image of a class, it is refused."""
    images = torch.zeros(4, 1, 1, 3, dtype=torch.uint8)
    whole = Split(images, torch.tensor([0, 0, 0, 0]))
    kept = split_validation(Split(torch.arange(4).view(4, 1, 1, 1), whole.labels), 0.25, seed)[1]
    alone = (torch.arange(4) == kept.images.flatten()).long()  # the kept image is of class 1

    with pytest.raises(DataError, match="no image to learn from of class number 1"):
        split_validation(Split(images, alone), 0.25, seed)
