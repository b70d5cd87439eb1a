"""Validation images that a version keeps beside its graphs, to hold the next one against."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from model.artifact.image import Pixels
from model.artifact.outputs import ContractError, Frozen
from model.artifact.sha256 import Sha256

HOLDOUT_FILE = "holdout.bin"

Labels = NDArray[np.uint16]
_LABEL = np.dtype("<u2")


class Holdout(Frozen):
    """What a manifest says about the images in `holdout.bin`.

    Attributes:
        n: the images.
        correct: how many of them the version gets right.
        sha256: of the file.
    """

    n: int = Field(ge=1)
    correct: int = Field(ge=0)
    sha256: Sha256

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        if self.correct > self.n:
            message = f"{self.correct} of {self.n} images cannot be right"
            raise ValueError(message)
        return self


def pack(pixels: Pixels, labels: Labels) -> bytes:
    """Write images into one file: all labels, then all pixels, without a header to be parsed.

    Args:
        pixels: `(N, H, W, 3)`, uint8.
        labels: `(N,)`, places among the classes.
    """
    return labels.astype(_LABEL).tobytes() + pixels.tobytes()


def unpack(content: bytes, n: int, height: int, width: int) -> tuple[Pixels, Labels]:
    """Read what `pack` wrote: `(n, height, width, 3)` pixels and `(n,)` labels.

    Raises:
        ContractError: it has another size.
    """
    labels_size = n * _LABEL.itemsize
    expected = labels_size + n * height * width * 3
    if len(content) != expected:
        message = f"{HOLDOUT_FILE} has {len(content):,} bytes, {n} images take {expected:,}"
        raise ContractError(message)
    labels = np.frombuffer(content, _LABEL, n)
    pixels = np.frombuffer(content, np.uint8, offset=labels_size)
    return pixels.reshape(n, height, width, 3), labels
