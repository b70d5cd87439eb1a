"""Naming a data set, and what is checked whatever its kind."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.data.sets import load, write_cifar10
from training.data.dataset import Split, at_once
from training.errors import DataError


@pytest.mark.parametrize("data", ["cifar11:x", "cifar10", "cifar10:", "x"])
def test_unknown_data_lists_what_is_known(data: str) -> None:
    """The message names the kinds."""
    with pytest.raises(DataError, match="one of: cifar10, cifar100, mnist, fashion-mnist, folder"):
        load(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "data_batch_1.bin").write_bytes(bytes([77]) * 3073), "has label 77"),
        (lambda f: (f / "test_batch.bin").write_bytes(b""), r"test_batch\.bin is damaged: 0 bytes"),
    ],
)
def test_bad_labels_and_empty_files_are_found_before_training(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    """A label without a name, or no image at all, is said at once."""
    write_cifar10(tmp_path)
    damage(tmp_path)

    with pytest.raises(DataError, match=message):
        load(f"cifar10:{tmp_path}")


@pytest.mark.parametrize(("side", "number"), [(32, 100), (96, 56), (224, 10), (4096, 1)])
def test_few_large_images_pass_at_once(side: int, number: int) -> None:
    """So that reading a network at a run's end takes no more memory than learning did."""
    assert at_once(side, side, 100) == number
    images = Split(torch.zeros(1, side, side, 3, dtype=torch.uint8), *[torch.zeros(11).long()] * 2)
    assert [len(part) for part in images.passes(100)] == ([number] * 11)[: 11 // number] + (
        [11 % number] if 11 % number else []
    )
