"""The authors' own files: CIFAR-10, CIFAR-100, MNIST, Fashion-MNIST."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.artifact.image import to_pixels
from tests.training.data.sets import load, write_cifar10
from training.data.dataset import Dataset, Split
from training.data.resize import resized
from training.errors import DataError


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
    dataset = load(f"{kind}:{real_data}")

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

    dataset = load(f"cifar10:{tmp_path}")

    assert dataset.test.images[0, 5, 9].tolist() == [1, 2, 3]
    assert dataset.test.labels.tolist() == [7]


def test_a_damaged_cifar_file_is_named(tmp_path: Path) -> None:
    """A file cut short is no whole number of records."""
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(b"\0" * 5000)

    with pytest.raises(DataError, match=r"data_batch_3\.bin is damaged: 5000 bytes"):
        load(f"cifar10:{tmp_path}")


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

    dataset = load(f"mnist:{tmp_path}")

    assert dataset.train.images.shape == (9, 28, 28, 3)
    assert dataset.train.images[0, 0, 5].tolist() == [5, 5, 5]
    assert dataset.labels == tuple("0123456789")
    assert not dataset.may_flip


def test_authors_files_are_resized_where_a_size_is_named(tmp_path: Path) -> None:
    """As the service resizes the same pixels; without a size, and at their own, they stay."""
    for part, images in (("train", 9), ("t10k", 4)):
        write_idx(tmp_path, part, images, packed=False)

    kept, same, larger = (
        load(f"mnist:{tmp_path}", image_size=size).train.images for size in (None, 28, 32)
    )

    assert torch.equal(kept, same)
    assert larger.shape == (9, 32, 32, 3)
    served = to_pixels(Image.fromarray(kept[3].numpy()), 32, 32)
    assert np.array_equal(larger[3].numpy(), served)


def test_more_pixels_than_memory_are_refused() -> None:
    """Before any is resized; the message says how much they are, and what to lower."""
    rows = torch.zeros(2_000_000, dtype=torch.int64)
    many = Split(torch.zeros(1, 4, 4, 3, dtype=torch.uint8), rows, rows)

    with pytest.raises(DataError, match="2,000,000 images of 4096 x 4096 pixels are 100,663 GB"):
        resized(Dataset(many, many, ("a",), may_flip=True), 4096)


def test_a_damaged_mnist_file_is_named(tmp_path: Path) -> None:
    """A header that promises more than there is, is found out."""
    write_idx(tmp_path, "train", 9, packed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, 9, 28, 28))

    with pytest.raises(DataError, match="train-images-idx3-ubyte is damaged"):
        load(f"mnist:{tmp_path}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message gives the path."""
    with pytest.raises(DataError, match=r"cannot read .*data_batch_1\.bin: No such file"):
        load(f"cifar10:{tmp_path}")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", gzip.compress(b"\0" * 99)[:40] + b"?" * 9],
    ids=["empty", "cut-off", "garbled"],
)
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    """Too short, cut, or overwritten: the file's name stands in the message."""
    for part in ("train", "t10k"):
        write_idx(tmp_path, part, 9, packed=True)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)

    with pytest.raises(DataError, match=r"train-images-idx3-ubyte(\.gz)? is damaged"):
        load(f"mnist:{tmp_path}")
