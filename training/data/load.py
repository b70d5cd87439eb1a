"""From the settings to a data set that has been checked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.data.authors import cifar10, cifar100, fashion_mnist, mnist
from training.data.dataset import Dataset
from training.data.folder import list_folder
from training.data.list_file import list_csv, list_jsonl
from training.data.listing import Listing
from training.data.pictures import Say, read_pictures
from training.data.resize import resized
from training.errors import DataError
from training.settings.data import DataSettings

_AUTHORS_FILES: dict[str, Callable[[Path], Dataset]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
}
_PICTURES: dict[str, Callable[[Path], Listing]] = {
    "folder": list_folder,
    "csv": list_csv,
    "jsonl": list_jsonl,
}


def _unheard(_line: str) -> None:
    """Say nothing."""


def load_dataset(settings: DataSettings, seed: int, say: Say = _unheard) -> Dataset:
    """Read the data set that `settings.source` names.

    Args:
        settings: which data, and how much of them.
        seed: decides which pictures are kept for the test where no test split is named.
        say: hears how far a long decoding is.

    Raises:
        DataError: the kind is unknown, a file is missing or damaged, or too little is there.
    """
    dataset = _read(settings, seed, say)
    _check(dataset, settings.source)
    limited = replace(
        dataset,
        train=dataset.train.first(settings.limit_train),
        test=dataset.test.first(settings.limit_test),
    )
    return limited if settings.image_size is None else resized(limited, settings.image_size)


def count_pictures(source: str) -> int | None:
    """Count the pictures to learn from of a folder or a list; None where it is neither.

    Raises:
        DataError: it is not there, or holds no pictures.
    """
    kind, _, path = source.partition(":")
    if not path or kind not in _PICTURES:
        return None
    listing = _PICTURES[kind](Path(path).expanduser())
    return sum(picture.purpose == "train" for picture in listing.pictures)


def _read(settings: DataSettings, seed: int, say: Say) -> Dataset:
    path = Path(settings.path)
    if settings.path and settings.kind in _PICTURES:
        return read_pictures(_PICTURES[settings.kind](path), settings, seed, say)
    if settings.path and settings.kind in _AUTHORS_FILES:
        return _AUTHORS_FILES[settings.kind](path)
    kinds = ", ".join([*_AUTHORS_FILES, *_PICTURES])
    message = f"unknown data {settings.source!r}; use KIND:PATH with KIND one of: {kinds}"
    raise DataError(message)


def _check(dataset: Dataset, name: str) -> None:
    """Refuse labels without a name, names that are no text, and splits without images."""
    for split in dataset.splits():
        if len(split) == 0:
            purpose = "learn from" if split is dataset.train else "validate on or to test"
            message = f"{name} has no images to {purpose}"
            raise DataError(message)
        highest = int(split.labels.max())
        if highest >= len(dataset.labels):
            message = f"{name} has label {highest}, but only {len(dataset.labels)} classes"
            raise DataError(message)
    for label in dataset.labels:
        if not label.isprintable():
            message = f"{name} has a class whose name cannot be printed: {label!r}"
            raise DataError(message)
