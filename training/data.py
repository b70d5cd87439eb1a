"""Data sets as uint8 tensors: the authors' own files, or a folder of images."""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model.artifact.image import FORMATS, to_pixels
from training.config import FitSettings
from training.errors import DataError

log = logging.getLogger("goodserve")

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
            "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")  # fmt: skip
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer",
            "dog", "frog", "horse", "ship", "truck")  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes:
        images: `(N, H, W, 3)`, uint8.
        labels: `(N,)`, int64, in `[0, K)`.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def take(self, indices: Tensor) -> "Split":
        """Pick images by their positions."""
        return Split(self.images[indices], self.labels[indices])

    def first(self, limit: int | None) -> "Split":
        """Keep the first `limit` images, or all."""
        return Split(self.images[:limit], self.labels[:limit])


@dataclass(frozen=True)
class Dataset:
    """A data set, read whole.

    Attributes:
        train: images to learn from and to validate on.
        test: images read once, at the end.
        labels: the K class names, by label.
        may_flip: whether a mirrored image is still of its class.
    """

    train: Split
    test: Split
    labels: tuple[str, ...]
    may_flip: bool

    def fingerprint(self) -> str:
        """Give the sha256 of every pixel and label in order, in hex."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(split.images.numpy().tobytes())
            digest.update(split.labels.numpy().tobytes())
        return digest.hexdigest()


def load_dataset(settings: FitSettings) -> Dataset:
    """Read the data set that `settings.data` names.

    Raises:
        DataError: the kind is unknown, a file is missing or damaged, or too little is there.
    """
    kind, _, path = settings.data.partition(":")
    readers: dict[str, Callable[[Path, FitSettings], Dataset]] = {
        "cifar10": _cifar10,
        "cifar100": _cifar100,
        "mnist": _mnist,
        "fashion-mnist": _fashion_mnist,
        "folder": _folder,
    }
    if kind not in readers or not path:
        message = f"unknown data {settings.data!r}; use KIND:PATH with KIND one of: " + ", ".join(
            readers
        )
        raise DataError(message)
    dataset = readers[kind](Path(path), settings)
    _check(dataset, settings.data)
    return replace(
        dataset,
        train=dataset.train.first(settings.limit_train),
        test=dataset.test.first(settings.limit_test),
    )


def split_validation(train: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Set `fraction` of the training images aside, by chance.

    Returns:
        The images to learn from, and the images to validate on.

    Raises:
        DataError: one of the two would be empty, or a class would have nothing to learn from.
    """
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    kept = round(len(train) * fraction)
    if not 0 < kept < len(train):
        message = f"cannot keep {fraction} of {len(train)} training images for validation"
        raise DataError(message)
    learned = train.take(order[kept:].sort().values)
    lost = set(train.labels.tolist()) - set(learned.labels.tolist())
    if lost:
        message = (
            f"the split leaves no image to learn from of class number {min(lost)}: add images, "
            "or change seed, validation_fraction or limit_train"
        )
        raise DataError(message)
    return learned, train.take(order[:kept].sort().values)


def _check(dataset: Dataset, name: str) -> None:
    """Refuse labels without a name, names that are no text, and splits without images."""
    for split in (dataset.train, dataset.test):
        if len(split) == 0:
            message = (
                f"{name} has no images to {'learn from' if split is dataset.train else 'test'}"
            )
            raise DataError(message)
        highest = int(split.labels.max())
        if highest >= len(dataset.labels):
            message = f"{name} has label {highest}, but only {len(dataset.labels)} classes"
            raise DataError(message)
    for label in dataset.labels:
        if not label.isprintable():
            message = f"{name} has a class whose name cannot be printed: {label!r}"
            raise DataError(message)


def _cifar10(path: Path, _: FitSettings) -> Dataset:
    folder = _subfolder(path, "cifar-10-batches-bin")
    batches = [_cifar_records(folder / f"data_batch_{i}.bin", 1) for i in range(1, 6)]
    test = _cifar_records(folder / "test_batch.bin", 1)
    return Dataset(_split(batches), _split([test]), _CIFAR10, may_flip=True)


def _cifar100(path: Path, _: FitSettings) -> Dataset:
    folder = _subfolder(path, "cifar-100-binary")
    train = _cifar_records(folder / "train.bin", 2)
    test = _cifar_records(folder / "test.bin", 2)
    labels = tuple(_read(folder / "fine_label_names.txt").decode().split())
    return Dataset(_split([train]), _split([test]), labels, may_flip=True)


def _mnist(path: Path, _: FitSettings) -> Dataset:
    folder = _subfolder(path, "mnist")
    labels = tuple(str(digit) for digit in range(10))
    return Dataset(_idx(folder, "train"), _idx(folder, "t10k"), labels, may_flip=False)


def _fashion_mnist(path: Path, _: FitSettings) -> Dataset:
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
    return _split([(np.repeat(images[..., None], 3, axis=3), labels.astype(np.int64))])


def _idx_array(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file, gzipped or not."""
    packed = folder / f"{name}.gz"
    try:
        data = gzip.decompress(_read(packed)) if packed.exists() else _read(folder / name)
    except (OSError, EOFError, zlib.error) as error:
        message = f"{packed} is damaged: {error}"
        raise DataError(message) from error
    header = 4 + 4 * dimensions
    shape = np.frombuffer(data[4:header].ljust(header - 4, b"\0"), ">u4").astype(int)
    body = np.frombuffer(data[min(header, len(data)) :], np.uint8)
    if data[:4] != bytes((0, 0, 8, dimensions)) or body.size != np.prod(shape):
        message = f"{folder / name} is damaged: its header and its length disagree"
        raise DataError(message)
    return body.reshape(shape)


def _folder(path: Path, settings: FitSettings) -> Dataset:
    """Read one sub-folder of images per class, and keep a fraction for the test.

    The test images are drawn by the seed, from each class in proportion.
    """
    classes = sorted(_visible(path.iterdir(), Path.is_dir)) if path.is_dir() else []
    if len(classes) < 2:  # noqa: PLR2004  a classifier tells at least two apart
        message = f"{path} needs at least two sub-folders of images, one per class"
        raise DataError(message)
    parts = [_class_images(folder, settings.image_size) for folder in classes]
    generator = torch.Generator().manual_seed(settings.seed)
    train, test = [], []
    for label, images in enumerate(parts):
        order = torch.randperm(len(images), generator=generator).numpy()
        kept = min(max(1, round(len(images) * settings.test_fraction)), len(images) - 2)
        labels = np.full(len(images), label, dtype=np.int64)
        test.append((images[order[:kept]], labels[:kept]))
        train.append((images[order[kept:]], labels[kept:]))
    names = tuple(p.name for p in classes)
    return Dataset(
        _shuffled(_split(train), generator),
        _shuffled(_split(test), generator),
        names,
        may_flip=True,
    )


def _shuffled(split: Split, generator: torch.Generator) -> Split:
    return split.take(torch.randperm(len(split), generator=generator))


def _visible(paths: Iterable[Path], is_wanted: Callable[[Path], bool]) -> list[Path]:
    """Keep what is wanted and not hidden: editors and desktops leave hidden things behind."""
    return [path for path in paths if not path.name.startswith(".") and is_wanted(path)]


def _class_images(folder: Path, size: int) -> NDArray[np.uint8]:
    """Read every image of one class: `(n, size, size, 3)`."""
    found = _visible(folder.rglob("*"), Path.is_file)
    files = sorted(p for p in found if p.suffix.lower() in _SUFFIXES)
    if len(files) < len(found):
        kinds = ", ".join(sorted({p.suffix for p in found} - {p.suffix for p in files}))
        log.warning("%s: left out %d files (%s)", folder, len(found) - len(files), kinds)
    if len(files) < 3:  # noqa: PLR2004  one each for training, validation and test
        message = f"{folder} has {len(files)} images ({', '.join(sorted(_SUFFIXES))}), needs 3"
        raise DataError(message)
    return np.stack([_image(file, size) for file in files])


def _image(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return to_pixels(image, size, size)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        message = f"cannot read {path}: {error}; mend it or take it away"
        raise DataError(message) from error


def _split(parts: list[Arrays]) -> Split:
    images = np.ascontiguousarray(np.concatenate([images for images, _ in parts]))
    return Split(torch.from_numpy(images), torch.from_numpy(np.concatenate([y for _, y in parts])))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; is this the authors' own layout?"
        raise DataError(message) from error
