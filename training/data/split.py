"""Setting images aside, for validation and for the test: by chance, from every class its share."""

import torch
from torch import Tensor

from training.data.dataset import Dataset, Split
from training.errors import DataError

# The rule by which images are set aside, for manifests: the first took no regard of classes.
SPLIT_RULE = 2


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
    chance = torch.Generator().manual_seed(seed)
    left, aside = stratified(train.labels, fraction, chance)
    if len(aside) == 0:
        message = (
            f"cannot keep {fraction} of {len(train)} training images for validation: no class has "
            "two; add images, or raise limit_train"
        )
        raise DataError(message)
    return train.take(left), train.take(aside)


def stratified(
    labels: Tensor, fraction: float, chance: torch.Generator, leave: int = 1
) -> tuple[Tensor, Tensor]:
    """Set `fraction` of the images of every class aside, to the nearest whole number.

    Of each class at least one is set aside, but never so many that fewer than `leave` are left.

    Args:
        labels: `(N,)`, int64.
        fraction: of each class's images.
        chance: decides which.
        leave: how many images of a class must be left.

    Returns:
        The positions left and the positions set aside, both ascending, int64: images then stay
        in the order of the files, and gathering them reads memory forward.
    """
    order = torch.randperm(len(labels), generator=chance)
    by_class = order[labels[order].argsort(stable=True)]
    groups = torch.split(by_class, torch.bincount(labels).tolist())
    shares = [_share(len(group), fraction, leave) for group in groups]
    left = [group[share:] for group, share in zip(groups, shares, strict=True)]
    aside = [group[:share] for group, share in zip(groups, shares, strict=True)]
    return torch.cat(left).sort().values, torch.cat(aside).sort().values


def _share(count: int, fraction: float, leave: int) -> int:
    return max(0, min(max(1, round(count * fraction)), count - leave))
