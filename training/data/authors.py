"""The authors' own binary files of CIFAR-10, CIFAR-100, MNIST and Fashion-MNIST."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Arrays, Dataset, Split, joined
from training.errors import DataError

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
            "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")  # fmt: skip
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer",
            "dog", "frog", "horse", "ship", "truck")  # fmt: skip


def cifar10(path: Path) -> Dataset:
    """Read CIFAR-10's binary version.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = _subfolder(path, "cifar-10-batches-bin")
    batches = [_cifar_records(folder / f"data_batch_{i}.bin", 1) for i in range(1, 6)]
    test = _cifar_records(folder / "test_batch.bin", 1)
    return Dataset(joined(batches), joined([test]), _CIFAR10, may_flip=True)


def cifar100(path: Path) -> Dataset:
    """Read CIFAR-100's binary version, with its 100 fine labels.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = _subfolder(path, "cifar-100-binary")
    train = _cifar_records(folder / "train.bin", 2)
    test = _cifar_records(folder / "test.bin", 2)
    labels = tuple(_read(folder / "fine_label_names.txt").decode().split())
    return Dataset(joined([train]), joined([test]), labels, may_flip=True)


def mnist(path: Path) -> Dataset:
    """Read MNIST; a mirrored digit is none.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = _subfolder(path, "mnist")
    labels = tuple(str(digit) for digit in range(10))
    return Dataset(_idx(folder, "train"), _idx(folder, "t10k"), labels, may_flip=False)


def fashion_mnist(path: Path) -> Dataset:
    """Read Fashion-MNIST.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = _subfolder(path, "fashion-mnist")
    return Dataset(_idx(folder, "train"), _idx(folder, "t10k"), _FASHION, may_flip=True)


def _subfolder(path: Path, name: str) -> Path:
    """Take the authors' folder itself, or the folder it was unpacked into."""
    return path / name if (path / name).is_dir() else path


def _cifar_records(path: Path, label_bytes: int) -> Arrays:
    """Read binary CIFAR records: label bytes (the last one counts), then 3 x 32 x 32 planes."""
    data, size = _read(path), label_bytes + 3072
    if not data or len(data) % size:
        message = f"{path} is damaged: {len(data)} bytes are no whole number of {size}-byte records"
        raise DataError(message)
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    images = rows[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, rows[:, label_bytes - 1].astype(np.int64)


def _idx(folder: Path, part: str) -> Split:
    """Read one part of MNIST or Fashion-MNIST; grey becomes RGB."""
    images, labels = (
        _idx_array(folder, f"{part}-images-idx3-ubyte", 3),
        _idx_array(folder, f"{part}-labels-idx1-ubyte", 1),
    )
    if len(images) != len(labels):
        message = f"{folder}: {len(images)} {part} images but {len(labels)} labels"
        raise DataError(message)
    return joined([(np.repeat(images[..., None], 3, axis=3), labels.astype(np.int64))])


def _idx_array(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file, gzipped or not."""
    packed = folder / f"{name}.gz"
    try:
        data = gzip.decompress(_read(packed)) if packed.exists() else _read(folder / name)
    except (OSError, EOFError, zlib.error) as error:
        message = f"{packed} is damaged: {error}"
        raise DataError(message) from error
    header = 4 + 4 * dimensions
    # Padded, so that a file cut off within its header is told as damaged, not as our IndexError.
    shape = np.frombuffer(data[4:header].ljust(header - 4, b"\0"), ">u4").astype(int)
    body = np.frombuffer(data[min(header, len(data)) :], np.uint8)
    if data[:4] != bytes((0, 0, 8, dimensions)) or body.size != np.prod(shape):
        message = f"{folder / name} is damaged: its header and its length disagree"
        raise DataError(message)
    return body.reshape(shape)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; is this the authors' own layout?"
        raise DataError(message) from error
