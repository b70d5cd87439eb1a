"""Setting images aside, for validation and for the test: by chance, from every class its share."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from training.data.dataset import Dataset, Split
from training.errors import DataError

# The rules by which images are set aside, for manifests and settings: the first took no regard of
# classes, the second draws by an image's place in its split, the third pictures by their paths.
PLACE_RULE, PATH_RULE = 2, 3

_KEY_BYTES = 8


def path_keys(paths: Iterable[str], seed: int) -> Tensor:
    """Give each picture a number that its path and the seed decide: `(P,)`, int64.

    Drawn by these, a picture stays where it is, whatever others come or go.
    """
    # A file's name need not be UTF-8.
    named = (f"{seed} {path}".encode(errors="surrogateescape") for path in paths)
    digests = (hashlib.sha256(each).digest() for each in named)
    numbers = [int.from_bytes(each[:_KEY_BYTES], "big", signed=True) for each in digests]
    return torch.tensor(numbers, dtype=torch.int64)


def drawn(split: Split, keys: Tensor | None, chance: torch.Generator) -> Tensor:
    """Give the positions of a split's images in random order: `(N,)`, int64.

    Args:
        split: of the images.
        keys: `(P,)`, of the pool, which decide the order; None: `chance` does.
        chance: asked for nothing where there are keys.
    """
    if keys is None:
        return torch.randperm(len(split), generator=chance)
    return (keys if split.rows is None else keys[split.rows]).argsort()


def split_validation(dataset: Dataset, fraction: float, seed: int) -> tuple[Split, Split]:
    """Take the data's own validation images, or set `fraction` of the training images aside.

    Returns:
        The images to learn from, and the images to validate on.

    Raises:
        DataError: there would be none to validate on.
    """
    train = dataset.train
    if dataset.validation is not None:
        return train, dataset.validation
    order = drawn(train, dataset.keys, torch.Generator().manual_seed(seed))
    left, aside = stratified(train.labels, fraction, order)
    if len(aside) == 0:
        message = (
            f"cannot keep {fraction} of {len(train)} training images for validation: no class has "
            "two; add images, or raise limit_train"
        )
        raise DataError(message)
    return train.take(left), train.take(aside)


def stratified(
    labels: Tensor, fraction: float, order: Tensor, leave: int = 1
) -> tuple[Tensor, Tensor]:
    """Set `fraction` of the images of every class aside, to the nearest whole number.

    Of each class at least one is set aside, but never so many that fewer than `leave` are left.

    Args:
        labels: `(N,)`, int64.
        fraction: of each class's images.
        order: `(N,)`, int64, the positions as they are drawn; the first ones are set aside.
        leave: how many images of a class must be left.

    Returns:
        The positions left and the positions set aside, both ascending, int64: images then stay
        in the order of the files, and gathering them reads memory forward.
    """
    by_class = order[labels[order].argsort(stable=True)]
    groups = torch.split(by_class, torch.bincount(labels).tolist())
    shares = [_share(len(group), fraction, leave) for group in groups]
    left = [group[share:] for group, share in zip(groups, shares, strict=True)]
    aside = [group[:share] for group, share in zip(groups, shares, strict=True)]
    return torch.cat(left).sort().values, torch.cat(aside).sort().values


def _share(count: int, fraction: float, leave: int) -> int:
    return max(0, min(max(1, round(count * fraction)), count - leave))
