"""A folder of images: one sub-folder per class."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from model.artifact.image import FORMATS, to_pixels
from training.data.dataset import Dataset, Split, joined
from training.errors import DataError

log = logging.getLogger("goodserve")

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def image_folder(path: Path, image_size: int, test_fraction: float, seed: int) -> Dataset:
    """Read one sub-folder of images per class, and keep a fraction for the test.

    The test images are drawn by the seed, from each class in proportion.

    Raises:
        DataError: there are too few classes or images, or one is damaged.
    """
    classes = sorted(_visible(path.iterdir(), Path.is_dir)) if path.is_dir() else []
    if len(classes) < 2:  # noqa: PLR2004  a classifier tells at least two apart
        message = f"{path} needs at least two sub-folders of images, one per class"
        raise DataError(message)
    parts = [_class_images(folder, image_size) for folder in classes]
    generator = torch.Generator().manual_seed(seed)
    train, test = [], []
    for label, images in enumerate(parts):
        order = torch.randperm(len(images), generator=generator).numpy()
        # At least one image for the test; at least two remain, to learn from and to validate on.
        kept = min(max(1, round(len(images) * test_fraction)), len(images) - 2)
        labels = np.full(len(images), label, dtype=np.int64)
        test.append((images[order[:kept]], labels[:kept]))
        train.append((images[order[kept:]], labels[kept:]))
    # Shuffled, so that limit_train and limit_test, which keep the first, keep every class.
    return Dataset(
        _shuffled(joined(train), generator),
        _shuffled(joined(test), generator),
        tuple(folder.name for folder in classes),
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
    # A damaged image stops the run: one that was left out, or read as black, would go unnoticed.
    try:
        with Image.open(path, formats=FORMATS) as image:
            return to_pixels(image, size, size)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        message = f"cannot read {path}: {error}; mend it or take it away"
        raise DataError(message) from error
