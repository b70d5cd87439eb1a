"""Small data sets for the tests of this folder."""

from pathlib import Path

from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.settings.data import DataSettings


def load(source: str, seed: int = 0, **others: object) -> Dataset:
    """Read a data set, with default settings but for `others`."""
    return load_dataset(DataSettings.model_validate({"source": source, **others}), seed)


def write_cifar10(folder: Path, per_batch: int = 3) -> None:
    """Write files in CIFAR-10's layout: pixel = label everywhere."""
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        rows = [bytes([label]) + bytes([label]) * 3072 for label in range(per_batch)]
        (folder / f"{name}.bin").write_bytes(b"".join(rows))
