"""Random turns, crops and bends of uint8 image batches, read from the image in one pass."""

import math

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

# Of a random crop, width over height.
_LEAST_RATIO, _LARGEST_RATIO = 3 / 4, 4 / 3
# Points along each side between which an image bends.
_BENDS = 5


def warped(
    images: Tensor,
    generator: torch.Generator,
    *,
    rotate: float = 0.0,
    crop_scale: float = 1.0,
    elastic: float = 0.0,
) -> Tensor:
    """Turn every image about its middle, cut a piece out, resize it to the whole, and bend it.

    All of it is one map of positions, so that pixels are interpolated once.

    Args:
        images: `(N, H, W, 3)`, uint8.
        generator: on the CPU; the only source of chance.
        rotate: the largest angle in degrees, either way; all are as likely.
        crop_scale: least part of the area that a piece has; the most is the whole; 1: no crop.
        elastic: standard deviation in pixels of how far points are moved in each direction.

    Returns:
        `(N, H, W, 3)`, uint8, a new tensor, bilinear, which for pieces no smaller than a quarter
        is close to exact. What comes in from outside is black where images turn, else the
        nearest pixel.

    Source: Szegedy et al., Going Deeper with Convolutions (2015), whose areas and ratios are drawn
        as torchvision's RandomResizedCrop draws them; Simard et al., Best Practices for
        Convolutional Neural Networks (2003), for bends, drawn on a coarse grid as by Ronneberger
        et al., U-Net (2015).
    """
    number, height, width, _ = images.shape
    theta = torch.eye(3).expand(number, 3, 3)
    if rotate:
        theta = theta @ _turns(number, height, width, math.radians(rotate), generator)
    if crop_scale < 1:
        theta = theta @ _pieces(number, crop_scale, generator)
    channels_first = images.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(theta[:, :2], list(channels_first.shape), align_corners=False)
    if elastic:
        grid = grid + _bends(number, height, width, elastic, generator)
    read = F.grid_sample(
        channels_first,
        grid.to(images.device),
        padding_mode="zeros" if rotate else "border",
        align_corners=False,
    )
    return read.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _turns(
    number: int, height: int, width: int, largest: float, generator: torch.Generator
) -> Tensor:
    """Draw turns by up to so many radians, as `(N, 3, 3)` maps of positions."""
    angle = largest * (2 * torch.rand(number, generator=generator) - 1)
    theta = torch.eye(3).repeat(number, 1, 1)
    theta[:, 0, 0] = theta[:, 1, 1] = angle.cos()
    # Each axis of the grid goes from -1 to 1, however long it is.
    theta[:, 0, 1] = angle.sin() * height / width
    theta[:, 1, 0] = -angle.sin() * width / height
    return theta


def _pieces(number: int, scale: float, generator: torch.Generator) -> Tensor:
    """Draw pieces of at least so large a part of the area, as `(N, 3, 3)` maps of positions."""
    drawn = torch.rand(4, number, generator=generator)
    area = scale + (1 - scale) * drawn[0]
    lowest, highest = math.log(_LEAST_RATIO), math.log(_LARGEST_RATIO)
    ratio = torch.exp(lowest + (highest - lowest) * drawn[1])
    height, width = (area / ratio).sqrt().clamp_max(1), (area * ratio).sqrt().clamp_max(1)
    theta = torch.eye(3).repeat(number, 1, 1)
    theta[:, 0, 0], theta[:, 1, 1] = width, height
    theta[:, 0, 2] = (1 - width) * (2 * drawn[2] - 1)
    theta[:, 1, 2] = (1 - height) * (2 * drawn[3] - 1)
    return theta


def _bends(
    number: int, height: int, width: int, deviation: float, generator: torch.Generator
) -> Tensor:
    """Draw how far every position moves, `(N, H, W, 2)`, in the grid's units: smoothly."""
    points = torch.randn(number, 2, _BENDS, _BENDS, generator=generator)
    moved = F.interpolate(points, (height, width), mode="bicubic", align_corners=True)
    # Each axis of the grid is 2 long.
    return moved.permute(0, 2, 3, 1) * deviation * torch.tensor([2 / width, 2 / height])
