"""Resizing what is in memory, as pictures are resized when they are decoded."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from model.artifact.image import to_pixels
from training.data.dataset import Dataset, Split
from training.errors import DataError


def resized(dataset: Dataset, side: int) -> Dataset:
    """Bring every image to `side` x `side` pixels, by the function that serves them later.

    A data set of that size already is given back as it is.

    Raises:
        DataError: the images do not fit into memory at that size.
    """
    if all(split.pool.shape[1:3] == (side, side) for split in dataset.splits()):
        return dataset
    validation = dataset.validation
    return replace(
        dataset,
        train=_resized(dataset.train, side),
        test=_resized(dataset.test, side),
        validation=None if validation is None else _resized(validation, side),
    )


def _resized(split: Split, side: int) -> Split:
    try:
        pixels = np.empty((len(split), side, side, 3), np.uint8)
    except MemoryError as error:
        gigabytes = len(split) * side * side * 3 / 1e9
        message = (
            f"{len(split):,} images of {side} x {side} pixels are {gigabytes:,.0f} GB, which do "
            "not fit into memory; lower image_size or set limit_train and limit_test"
        )
        raise DataError(message) from error
    for position, image in enumerate(split.images.numpy()):
        pixels[position] = to_pixels(Image.fromarray(image), side, side)
    return Split(torch.from_numpy(pixels), split.labels)
