"""Data sets: the authors' own files, and folders of images."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.artifact.image import to_pixels
from tests.pictures import CLASSES, write_folder
from training.config import FitSettings
from training.data import Split, load_dataset, split_validation
from training.errors import DataError


def settings(data: str, **others: object) -> FitSettings:
    """Name the data, and nothing else of interest."""
    return FitSettings.model_validate({"data": data, "batch_size": 2, **others})


def write_cifar10(folder: Path, per_batch: int = 3) -> None:
    """Write files in CIFAR-10's layout: pixel = label everywhere."""
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        rows = [bytes([label]) + bytes([label]) * 3072 for label in range(per_batch)]
        (folder / f"{name}.bin").write_bytes(b"".join(rows))


@pytest.mark.parametrize(
    ("kind", "train", "side", "classes"),
    [
        ("cifar10", 50_000, 32, ("airplane", "truck", 10)),
        ("cifar100", 50_000, 32, ("apple", "worm", 100)),
        ("fashion-mnist", 60_000, 28, ("T-shirt/top", "Ankle boot", 10)),
    ],
)
def test_the_authors_own_files_are_read(
    real_data: Path, kind: str, train: int, side: int, classes: tuple[str, str, int]
) -> None:
    """Counts, shapes and names are the published ones, and classes are balanced."""
    dataset = load_dataset(settings(f"{kind}:{real_data}"))

    assert (len(dataset.train), len(dataset.test)) == (train, 10_000)
    assert dataset.train.images.shape[1:] == (side, side, 3)
    assert (dataset.labels[0], dataset.labels[-1], len(dataset.labels)) == classes
    counts = torch.bincount(dataset.test.labels)
    assert counts.min() == counts.max() == 10_000 // classes[2]


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    """CIFAR stores three planes; they become the last axis, red first."""
    write_cifar10(tmp_path)
    record = bytes([7]) + b"\x01" * 1024 + b"\x02" * 1024 + b"\x03" * 1024
    (tmp_path / "test_batch.bin").write_bytes(record)

    dataset = load_dataset(settings(f"cifar10:{tmp_path}"))

    assert dataset.test.images[0, 5, 9].tolist() == [1, 2, 3]
    assert dataset.test.labels.tolist() == [7]


def test_a_damaged_cifar_file_is_named(tmp_path: Path) -> None:
    """A file cut short is no whole number of records."""
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(b"\0" * 5000)

    with pytest.raises(DataError, match=r"data_batch_3\.bin is damaged: 5000 bytes"):
        load_dataset(settings(f"cifar10:{tmp_path}"))


def write_idx(folder: Path, part: str, images: int, *, packed: bool) -> None:
    """Write files in MNIST's layout."""
    body = np.arange(images * 784, dtype=np.uint32).astype(np.uint8).tobytes()
    files = {
        f"{part}-images-idx3-ubyte": struct.pack(">4I", 2051, images, 28, 28) + body,
        f"{part}-labels-idx1-ubyte": struct.pack(">2I", 2049, images) + bytes(range(images)),
    }
    for name, content in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_read_packed_or_not(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001
    """Grey becomes RGB; digits are not to be mirrored."""
    for part, images in (("train", 9), ("t10k", 4)):
        write_idx(tmp_path, part, images, packed=packed)

    dataset = load_dataset(settings(f"mnist:{tmp_path}"))

    assert dataset.train.images.shape == (9, 28, 28, 3)
    assert dataset.train.images[0, 0, 5].tolist() == [5, 5, 5]
    assert dataset.labels == tuple("0123456789")
    assert not dataset.may_flip


def test_a_damaged_mnist_file_is_named(tmp_path: Path) -> None:
    """A header that promises more than there is, is found out."""
    write_idx(tmp_path, "train", 9, packed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, 9, 28, 28))

    with pytest.raises(DataError, match="train-images-idx3-ubyte is damaged"):
        load_dataset(settings(f"mnist:{tmp_path}"))


def test_a_folder_is_read_class_by_class(tmp_path: Path) -> None:
    """Sub-folders are classes; every image of every format comes in, resized as in serving."""
    write_folder(tmp_path, per_class=10)

    dataset = load_dataset(settings(f"folder:{tmp_path}", image_size=12))

    with Image.open(tmp_path / "red" / "3.png") as image:
        expected = torch.from_numpy(to_pixels(image, 12, 12))
    everything = torch.cat([dataset.train.images, dataset.test.images])
    assert dataset.labels == CLASSES
    assert everything.shape == (30, 12, 12, 3)
    assert torch.bincount(dataset.test.labels).tolist() == [1, 1, 1]
    assert (everything == expected).flatten(1).all(1).any()


def test_a_folders_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    """The same seed keeps the same images for the test; training images are shuffled."""
    write_folder(tmp_path, per_class=10)

    first, again, other = (
        load_dataset(settings(f"folder:{tmp_path}", seed=seed)) for seed in (0, 0, 1)
    )

    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert first.train.labels.tolist() != sorted(first.train.labels.tolist())


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda _folder: None, "needs at least two sub-folders"),
        (lambda folder: [(folder / c).mkdir() for c in "ab"], "a has 0 images"),
        (
            lambda folder: [
                write_folder(folder, per_class=4),
                (folder / "red" / "bad.png").write_text("no image"),
            ],
            r"cannot read .*bad\.png",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    tmp_path: Path, prepare: Callable[[Path], object], message: str
) -> None:
    """Missing classes, empty classes and broken files are told apart."""
    prepare(tmp_path)

    with pytest.raises(DataError, match=message):
        load_dataset(settings(f"folder:{tmp_path}"))


@pytest.mark.parametrize("data", ["cifar11:x", "cifar10", "cifar10:", "x"])
def test_unknown_data_lists_what_is_known(data: str) -> None:
    """The message names the kinds."""
    with pytest.raises(DataError, match="one of: cifar10, cifar100, mnist, fashion-mnist, folder"):
        load_dataset(settings(data))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message gives the path."""
    with pytest.raises(DataError, match=r"cannot read .*data_batch_1\.bin: No such file"):
        load_dataset(settings(f"cifar10:{tmp_path}"))


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


def test_hidden_things_and_other_files_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What editors and desktops leave behind is no class and no image; the rest is told."""
    write_folder(tmp_path, per_class=6)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "red" / "._0.png").write_bytes(b"macOS")
    (tmp_path / "red" / "notes.txt").write_text("no image")

    dataset = load_dataset(settings(f"folder:{tmp_path}"))

    assert dataset.labels == CLASSES
    assert len(dataset.train) + len(dataset.test) == 18
    assert "left out 1 files (.txt)" in caplog.text


def test_a_limited_test_split_still_has_every_class(tmp_path: Path) -> None:
    """The test images are shuffled, so that the first ones are of all classes."""
    write_folder(tmp_path, per_class=30)

    dataset = load_dataset(settings(f"folder:{tmp_path}", test_fraction=0.5, limit_test=20))

    assert set(dataset.test.labels.tolist()) == {0, 1, 2}


def test_a_class_with_nothing_to_learn_from_is_refused() -> None:
    """A split that takes a class's last image says so, before any training."""
    labels = torch.tensor([0] * 20 + [1])
    images = torch.zeros(21, 1, 1, 3, dtype=torch.uint8)

    for seed in range(100):
        try:
            learned, _ = split_validation(Split(images, labels), 0.25, seed)
        except DataError as error:
            assert "no image to learn from of class number 1" in str(error)  # noqa: PT017
            return
        assert 1 in learned.labels
    raise AssertionError


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
        load_dataset(settings(f"cifar10:{tmp_path}"))


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", gzip.compress(b"\0" * 99)[:40] + b"?" * 9])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    """Too short, cut, or overwritten: the file's name stands in the message."""
    for part in ("train", "t10k"):
        write_idx(tmp_path, part, 9, packed=True)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)

    with pytest.raises(DataError, match=r"train-images-idx3-ubyte(\.gz)? is damaged"):
        load_dataset(settings(f"mnist:{tmp_path}"))
