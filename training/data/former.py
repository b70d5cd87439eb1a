"""How images were set aside by the first rule, for versions published while it held."""

import hashlib

import torch

from training.data.dataset import Dataset, Split

FORMER_RULE = 1


def former_validation(train: Split, fraction: float, seed: int) -> Split:
    """Give the images that were set aside for validation, with no regard to their classes."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train.take(order[: round(len(train) * fraction)].sort().values)


def former_fingerprint(dataset: Dataset) -> str:
    """Give the sha256 of every pixel and label of both splits in order, in hex."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.test):
        for part in split.parts():
            digest.update(part.images.numpy().reshape(-1).data)
        digest.update(split.labels.numpy().data)
    return digest.hexdigest()
