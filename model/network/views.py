"""Views of an image that a network scores and averages: as it is, and mirrored.

Axes: N images, V views, 1 or 2. A batch of views has V * N rows: all images first, then all of
their mirror images.
"""

import torch
from torch import Tensor


def views_of(images: Tensor, *, is_mirrored: bool) -> Tensor:
    """Give the views `(V * N, H, W, 3)` of images `(N, H, W, 3)`."""
    return torch.cat([images, images.flip(2)]) if is_mirrored else images


def averaged(of_views: Tensor, *, is_mirrored: bool) -> Tensor:
    """Average what was read of every view, `(V * N, ...)`, for each image: `(N, ...)`."""
    return torch.unflatten(of_views, 0, (2, -1)).mean(0) if is_mirrored else of_views


def repeated(of_images: Tensor, *, is_mirrored: bool) -> Tensor:
    """Give every view what holds for its image: `(N, ...)` as `(V * N, ...)`."""
    return torch.cat([of_images, of_images]) if is_mirrored else of_images


def mirrored_back(maps: Tensor, across: int, *, is_mirrored: bool) -> Tensor:
    """Average the views' maps, those of mirror images mirrored back: their sum stays what it was.

    Where pooling dropped the last column of an odd grid, it dropped the first one of the image as
    it is from its mirror image: the two maps then lie a column of the layer before apart.

    Args:
        maps: `(V * N, ...)`, of every view.
        across: the axis of its columns.
        is_mirrored: whether there are two views.

    Returns:
        `(N, ...)`, on the grid of the image as it is.
    """
    if not is_mirrored:
        return maps
    as_is, mirrored = torch.unflatten(maps, 0, (2, -1)).unbind(0)
    return (as_is + mirrored.flip(across)) / 2
