"""The table of classes and splits, and the warnings about small and uneven classes."""

import torch

from training.data.dataset import Split
from training.data.overview import doubts, overview


def split(*counts: int) -> Split:
    """Make a split with so many images of each class."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return Split(torch.zeros(len(labels), 1, 1, 3, dtype=torch.uint8), labels)


def test_every_class_has_a_row() -> None:
    """Names, then the images of each split, then the sums."""
    lines = overview(("cat", "elephant"), split(1200, 30), split(100, 3), split(50, 0))

    assert [line.split() for line in lines] == [
        ["class", "train", "validation", "test"],
        ["cat", "1,200", "100", "50"],
        ["elephant", "30", "3", "0"],
        ["all", "classes", "1,230", "103", "50"],
    ]


def test_the_columns_stand_under_each_other() -> None:
    """Whatever the length of the names."""
    lines = overview(("a", "a much longer name"), split(1, 2), split(1, 2), split(1, 2))

    assert len({len(line) for line in lines}) == 1


def test_of_many_classes_fifty_are_shown() -> None:
    """The others are counted, and are in the sums."""
    part = split(*[2] * 60)

    lines = list(overview([str(number) for number in range(60)], part, part, part))

    assert len(lines) == 53
    assert lines[-2] == "(10 more classes)"
    assert lines[-1].split()[2:] == ["120", "120", "120"]


def test_even_and_large_classes_raise_no_doubt() -> None:
    """Ten to one is allowed, and ten validation images are enough."""
    assert list(doubts(("a", "b"), split(100, 10), split(10, 10))) == []


def test_uneven_classes_are_told() -> None:
    """The largest and the smallest are named with their counts."""
    (doubt,) = doubts(("a", "b", "c"), split(1100, 300, 100), split(10, 10, 10))

    assert doubt.startswith("class 'a' has 1,100 training images, 'c' 100: ")


def test_classes_with_few_validation_images_are_told() -> None:
    """Five of them are named with their counts."""
    labels = tuple("abcdefgh")

    (doubt,) = doubts(labels, split(*[50] * 8), split(10, *range(3, 10)))

    assert "in 7 of 8 classes ('b' 3, 'c' 4, 'd' 5, 'e' 6, 'f' 7 and 2 more)" in doubt
