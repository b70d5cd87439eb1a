"""Setting validation images aside."""

import torch

from training.data.dataset import Split
from training.errors import DataError


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
    # Sorted: images then stay in the order of the files, and gathering them reads memory forward.
    learned = train.take(order[kept:].sort().values)
    lost = set(train.labels.tolist()) - set(learned.labels.tolist())
    if lost:
        message = (
            f"the split leaves no image to learn from of class number {min(lost)}: add images, "
            "or change seed, validation_fraction or limit_train"
        )
        raise DataError(message)
    return learned, train.take(order[:kept].sort().values)
