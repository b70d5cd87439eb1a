"""Folders with splits of their own: ImageFolder's form, and Tiny-ImageNet's."""

from pathlib import Path

import pytest
import torch

from tests.pictures import CLASSES
from tests.training.data.layouts import write_pictures, write_splits, write_tiny_imagenet
from tests.training.data.sets import load
from training.data.dataset import Dataset
from training.errors import DataError


def sizes(dataset: Dataset) -> tuple[int, int | None, int]:
    """Count the images to learn from, those of the data's own validation split, the test's."""
    validation = dataset.validation
    return len(dataset.train), None if validation is None else len(validation), len(dataset.test)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"train": 20, "val": 4, "test": 5}, (60, 12, 15)),
        ({"Training": 20, "VALID": 4, "testing": 5}, (60, 12, 15)),
        ({"train": 20, "validation": 4}, (54, 12, 6)),
        ({"train": 20, "test": 5}, (60, None, 15)),
        ({"train": 20}, (54, None, 6)),
    ],
)
def test_splits_that_the_folder_has_are_used(
    tmp_path: Path, counts: dict[str, int], expected: tuple[int, int | None, int]
) -> None:
    """What is there is kept as it is; a test split that is not is taken from train."""
    dataset = load(f"folder:{write_splits(tmp_path, counts)}")

    assert dataset.labels == CLASSES
    assert sizes(dataset) == expected
    for split in dataset.splits():
        assert torch.bincount(split.labels).tolist() == [len(split) // 3] * 3


def test_the_pictures_of_a_split_stay_in_it(tmp_path: Path) -> None:
    """No test image is learned from."""
    dataset = load(f"folder:{write_splits(tmp_path, {'train': 3, 'val': 3, 'test': 6})}")

    learned = {tuple(image.flatten().tolist()) for image in dataset.train.images}
    # The drawn pictures are the same in each split, up to their number: three more in test.
    tested = [tuple(image.flatten().tolist()) in learned for image in dataset.test.images]
    assert (sum(tested), len(tested)) == (9, 18)


def test_a_class_of_trains_is_a_class(tmp_path: Path) -> None:
    """`train` beside other classes, without another split, holds pictures of trains."""
    for name in ("bus", "train"):
        write_pictures(tmp_path / name, 4, "red")

    assert load(f"folder:{tmp_path}").labels == ("bus", "train")


def test_tiny_imagenets_val_is_the_test_split(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its labels come from val_annotations.txt; the unlabelled test folder is left out, aloud."""
    dataset = load(f"folder:{write_tiny_imagenet(tmp_path, train=10, validation=7)}")

    assert dataset.labels == ("n01", "n02", "n03")
    assert sizes(dataset) == (30, None, 7)
    assert torch.bincount(dataset.test.labels).tolist() == [3, 2, 2]
    assert "test is left out: without a sub-folder per class it has no labels" in caplog.text
    assert "val is the test split" in caplog.text


def test_tiny_imagenet_with_a_labelled_test_keeps_val_for_validation(tmp_path: Path) -> None:
    """A test split that someone sorted into classes is used."""
    write_tiny_imagenet(tmp_path, train=10, validation=6)
    for wnid in ("n01", "n02", "n03"):
        write_pictures(tmp_path / "test" / wnid, 2, "red")

    with pytest.raises(DataError, match="class 'images', which no training image has"):
        load(f"folder:{tmp_path}")
    for picture in (tmp_path / "test" / "images").iterdir():
        picture.unlink()
    assert sizes(load(f"folder:{tmp_path}")) == (30, 6, 6)


def test_an_unlabelled_test_folder_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A competition's test pictures have no labels; the test images come from train."""
    write_splits(tmp_path, {"train": 20, "val": 4})
    write_pictures(tmp_path / "test", 5, "red")

    assert sizes(load(f"folder:{tmp_path}")) == (54, 12, 6)
    assert "test is left out" in caplog.text


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train/a", "train/b", "val/a", "val/zebra"], "validation image of class 'zebra'"),
        (["train/a", "train/b", "test/a", "test/zebra"], r"test image of class 'zebra'.*are a, b"),
        (["train/a", "train/b", "val/a", "valid/a"], "val and valid: two of them are the same"),
        (["val/a", "test/a"], "has test and val but no train sub-folder"),
        (["train/a", "val/a"], "at least two classes, but has only the class 'a'"),
        (["train", "val"], "train needs at least two sub-folders of images"),
        (["."], r"needs at least two sub-folders .* 4 pictures of its own: .*csv:FILE"),
    ],
)
def test_a_layout_that_cannot_be_used_says_why(
    tmp_path: Path, folders: list[str], message: str
) -> None:
    """The message names the class or the folder, and the remedy."""
    for folder in folders:
        write_pictures(tmp_path / folder, 4, "red")

    with pytest.raises(DataError, match=message):
        load(f"folder:{tmp_path}")


def test_a_folder_that_is_no_split_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Beside train and test, another sub-folder is left out with a warning."""
    write_splits(tmp_path, {"train": 4, "test": 2, "unsorted": 2})

    assert sizes(load(f"folder:{tmp_path}")) == (12, None, 6)
    assert "left out unsorted, which is no split" in caplog.text


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    """A list is no folder, and its name shows the way."""
    (tmp_path / "list.csv").write_text("path,label\n")

    with pytest.raises(DataError, match="nowhere is not there"):
        load(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(DataError, match="is no folder; a list is named as csv:FILE"):
        load(f"folder:{tmp_path / 'list.csv'}")


def test_a_file_in_two_splits_is_refused(tmp_path: Path) -> None:
    """A test folder that is a link to the one of training tests nothing."""
    root = write_splits(tmp_path, {"train": 4})
    (root / "test").symlink_to(root / "train", target_is_directory=True)

    with pytest.raises(DataError, match="are one file, in the splits test and train; keep one of"):
        load(f"folder:{root}")
