"""Augmentation of uint8 image batches: crop, horizontal flip and cut-out, in torch alone."""

import torch
from torch import Tensor

_GREY = 128


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


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Paint a square of every image grey, at a place drawn by chance.

    Args:
        images: `(N, H, W, 3)`, uint8.
        side: of the square in pixels; its centre lies in the image, its rim may not.
        generator: on the CPU; the only source of chance.

    Returns:
        `(N, H, W, 3)`, uint8, a new tensor.

    Source: DeVries and Taylor, Improved Regularization with Cutout (2017).
    """
    number, height, width, _ = images.shape
    centre_rows = torch.randint(0, height, (number, 1), generator=generator)
    centre_columns = torch.randint(0, width, (number, 1), generator=generator)
    rows = _covered(torch.arange(height), centre_rows, side)
    columns = _covered(torch.arange(width), centre_columns, side)
    square = (rows[:, :, None] & columns[:, None, :]).unsqueeze(-1).to(images.device)
    return images.masked_fill(square, _GREY)


def _covered(positions: Tensor, centres: Tensor, side: int) -> Tensor:
    """Tell which positions along one axis lie in a run of `side` around each centre."""
    offset = positions - (centres - side // 2)
    return (offset >= 0) & (offset < side)
