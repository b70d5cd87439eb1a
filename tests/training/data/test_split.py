"""Images set aside: by chance, from every class, and what the data set aside themselves."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.data.dataset import Dataset, Split
from training.data.split import split_validation, stratified
from training.errors import DataError


def dataset(labels: torch.Tensor, validation: Split | None = None) -> Dataset:
    """Make a data set whose images are numbered."""
    train = Split(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), labels)
    return Dataset(train, train, ("a", "b", "c"), may_flip=True, validation=validation)


def by_chance(number: int, seed: int = 0) -> torch.Tensor:
    """Draw an order."""
    return torch.randperm(number, generator=torch.Generator().manual_seed(seed))


def test_validation_is_a_part_of_training_by_chance() -> None:
    """The two parts are disjoint, together everything, and decided by the seed."""
    data = dataset(torch.arange(20) % 2)

    learned, kept = split_validation(data, 0.2, seed=3)

    together = torch.cat([learned.images, kept.images]).flatten().tolist()
    assert (len(learned), len(kept)) == (16, 4)
    assert sorted(together) == list(range(20))
    assert split_validation(data, 0.2, seed=3)[1].images.equal(kept.images)
    assert not split_validation(data, 0.2, seed=4)[1].images.equal(kept.images)


def test_the_datas_own_validation_images_are_used() -> None:
    """Where the maker of the data set images aside, all others are learned from."""
    own = Split(torch.full((2, 1, 1, 1), 99, dtype=torch.uint8), torch.arange(2))
    data = dataset(torch.arange(20) % 2, own)

    learned, kept = split_validation(data, 0.2, seed=3)

    assert (learned, kept) == (data.train, own)


def test_too_little_to_split_is_an_error() -> None:
    """Of classes of one image each, none can be kept."""
    with pytest.raises(DataError, match=r"cannot keep 0\.5 of 2 training images.*no class has two"):
        split_validation(dataset(torch.arange(2)), 0.5, seed=0)


@given(
    counts=st.lists(st.integers(0, 40), min_size=2, max_size=6).filter(any),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_every_class_gives_its_share(counts: list[int], fraction: float, seed: int) -> None:
    """Of each class to the nearest image, at least one if it has two, and never the last one."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))

    left, aside = stratified(labels, fraction, by_chance(len(labels), seed))

    assert sorted([*left.tolist(), *aside.tolist()]) == list(range(len(labels)))
    found = torch.bincount(labels[aside], minlength=len(counts)).tolist()
    for count, share in zip(counts, found, strict=True):
        assert share == (0 if count < 2 else min(max(1, round(count * fraction)), count - 1))


@pytest.mark.parametrize("count", [3, 4, 9])
def test_a_class_of_three_is_in_every_split(count: int) -> None:
    """The test takes one, and leaves two, of which validation takes one."""
    labels = torch.tensor([0] * count + [1] * 100)

    left, test = stratified(labels, 0.1, by_chance(len(labels)), leave=2)
    learned, validation = stratified(labels[left], 0.1, by_chance(len(left)))

    for part in (labels[test], labels[left][validation], labels[left][learned]):
        assert (part == 0).any()
