"""Augmentation of uint8 image batches: random crop and horizontal flip, in torch alone."""

import torch
from torch import Tensor


def crop_and_flip(images: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:  # noqa: FBT001
    """Shift every image by up to `padding` pixels, and mirror half of them.

    Args:
        images: `(N, H, W, 3)`, uint8.
        padding: the largest shift in pixels; what comes in from outside is black.
        flip: whether to mirror left and right.
        generator: on the CPU; the only source of chance.

    Returns:
        `(N, H, W, 3)`, uint8, a new tensor.
    """
    number, height, width, _ = images.shape
    shifts = torch.randint(0, 2 * padding + 1, (2, number, 1), generator=generator)
    rows = torch.arange(height) + shifts[0]
    columns = torch.arange(width) + shifts[1]
    if flip:
        mirrored = torch.rand(number, 1, generator=generator) < 0.5  # noqa: PLR2004  half of them
        columns = torch.where(mirrored, columns.flip(1), columns)
    padded = torch.nn.functional.pad(images, (0, 0, padding, padding, padding, padding))
    which = torch.arange(number)[:, None, None].to(images.device)
    rows, columns = rows.to(images.device), columns.to(images.device)
    return padded[which, rows[:, :, None], columns[:, None, :]]
