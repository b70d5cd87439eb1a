"""Small data sets, and one that counts as larger than memory."""

from pathlib import Path

from torch import Tensor

from training.data.dataset import Dataset, Split
from training.data.load import load_dataset
from training.settings.data import DataSettings


class NeverWhole(Split):
    """A split that is larger than memory: only its parts can be gathered."""

    @classmethod
    def of(cls, split: Split) -> Split:
        """Give the same images."""
        return cls(split.pool, split.labels, split.rows)

    @property
    def images(self) -> Tensor:
        """Refuse to gather all images at once."""
        message = "these images do not fit into memory"
        raise MemoryError(message)


def load(source: str, seed: int = 0, **others: object) -> Dataset:
    """Read a data set, with default settings but for `others`."""
    return load_dataset(DataSettings.model_validate({"source": source, **others}), seed)


def write_cifar10(folder: Path, per_batch: int = 3) -> None:
    """Write files in CIFAR-10's layout: pixel = label everywhere."""
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        rows = [bytes([label]) + bytes([label]) * 3072 for label in range(per_batch)]
        (folder / f"{name}.bin").write_bytes(b"".join(rows))
