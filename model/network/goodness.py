"""Regions and class goodness, as pure functions of tensors.

Axes: N images, C channels, H x W positions, R x R regions, D = C * R * R channel-regions
(channel-major: `d = c * R * R + row * R + column`), K classes.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.rule import ReadoutKind


def region_edges(size: int, regions: int) -> list[int]:
    """Cut `size` positions into `regions` runs whose lengths differ by at most one.

    Returns:
        `regions + 1` ascending edges, from 0 to `size`.

    Raises:
        ValueError: a region would be empty.
    """
    if not 1 <= regions <= size:
        message = f"cannot cut {size} positions into {regions} regions; use 1 to {size}"
        raise ValueError(message)
    return [index * size // regions for index in range(regions + 1)]


def region_means(activity: Tensor, regions: tuple[int, int]) -> Tensor:
    """Average each channel over each region: the goodness of every channel-region.

    Args:
        activity: `(N, C, H, W)`, float.
        regions: regions down and across; where they do not divide H or W, their sizes
            differ by one position. Regions never overlap, so positions add up exactly.

    Returns:
        `(N, D)`, of the dtype of `activity`.

    Source: mean (not squared) goodness after DeeperForward (ICLR 2025); reading a channel
        in regions is ours.
    """
    height, width = activity.shape[-2:]
    down, across = regions
    if height % down == 0 and width % across == 0:
        return F.avg_pool2d(activity, (height // down, width // across)).flatten(1)
    rows = _averaging_matrix(height, down).to(activity.device)
    columns = _averaging_matrix(width, across).to(activity.device)
    return (rows @ activity.float() @ columns.T).to(activity.dtype).flatten(1)


def class_weights(assignment: Tensor) -> Tensor:
    """Give the weight with which each standardised channel-region enters each class.

    Args:
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        `(D, K)`: `K / sqrt(D) * (assignment - 1 / K)`; each row sums to 0, so a
        channel-region assigned to no class in particular is silent.
    """
    num_regions, num_classes = assignment.shape
    return (assignment - 1 / num_classes) * (num_classes / math.sqrt(num_regions))


def class_goodness(standardised: Tensor, assignment: Tensor) -> Tensor:
    """Add up, for each class, the evidence of the channel-regions assigned to it.

    Args:
        standardised: `(N, D)`, float32, a channel-region's mean activation less its
            running mean, over its running standard deviation.
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        `(N, K)`, unitless; each row sums to 0, and its spread does not grow with `D`.

    Source: channel-class goodness after CwComp (AAAI 2024) and DeeperForward (ICLR 2025);
        the soft assignment of arXiv 2606.09928 replaces their fixed channel groups. The
        standardisation and the subtracted 1 / K are ours.
    """
    return standardised @ class_weights(assignment)


def sum_weights(assignment: Tensor) -> Tensor:
    """Give the weights of a plain sum over what the channel-regions say.

    Args:
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        `(D, K)`: `assignment - 1 / K`; each row sums to 0.

    Source: arXiv 2606.09928; the subtracted 1 / K is ours. Loss and probabilities are the same
        without it, but all classes' scores would be large and differ little.
    """
    return assignment - 1 / assignment.shape[1]


def mean_weights(assignment: Tensor) -> Tensor:
    """Give the weights of a mean over the channel-regions of each class.

    Args:
        assignment: `(D, K)`, each row sums to 1, no column to 0.

    Returns:
        `(D, K)`: the columns over their sums, less each row's mean, so that it sums to 0.

    Source: the fixed channel groups of CwComp (AAAI 2024) and DeeperForward (ICLR 2025); for
        an assignment that is not 0 or 1 it is ours, and so is the mean that is subtracted.
    """
    weights = assignment / assignment.sum(0)
    return weights - weights.mean(1, keepdim=True)


# The one place where a readout's name becomes code.
CLASS_WEIGHTS: dict[ReadoutKind, Callable[[Tensor], Tensor]] = {
    "standardised": class_weights,
    "plain": sum_weights,
    "mean": mean_weights,
}


def _averaging_matrix(size: int, regions: int) -> Tensor:
    """`(regions, size)`: row r averages the positions of region r."""
    edges = region_edges(size, regions)
    matrix = torch.zeros(regions, size)
    for row in range(regions):
        start, stop = edges[row], edges[row + 1]
        matrix[row, start:stop] = 1 / (stop - start)
    return matrix
