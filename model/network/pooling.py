"""What a channel-region says: mean, maximum and minimum of its positions, weighed.

Axes as in `model.network.goodness`, and P positions of a region.
"""

import functools
import itertools
import operator
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.goodness import region_edges, region_means
from model.network.rule import LayerRule


def pooled(activity: Tensor, regions: tuple[int, int], rule: LayerRule) -> Tensor:
    """Pool each channel over each region.

    Args:
        activity: `(N, C, H, W)`, float.
        regions: regions down and across, as `region_means` takes them.
        rule: says the factors of mean, maximum and minimum, and whether to square first.

    Returns:
        `(N, D)`; of the activity's dtype if only means are read, else float32.

    Source: mean goodness after DeeperForward (ICLR 2025); the three factors are those of
        arXiv 2606.09928's code, the square is CwComp's (AAAI 2024); regions are ours.
    """
    if rule.reads_means:
        return region_means(activity, regions)
    values = pooled_values(activity, rule)
    mean, largest, least = rule.pooling
    parts = [mean * region_means(values, regions)] if mean else []
    if largest:
        parts.append(largest * _maxima(values, regions))
    if least:
        parts.append(-least * _maxima(-values, regions))
    return functools.reduce(operator.add, parts)


def pooled_values(activity: Tensor, rule: LayerRule) -> Tensor:
    """Give what is pooled: the activity or its square, float32, of the same shape."""
    return activity.float().square() if rule.squared else activity.float()


def region_windows(values: Tensor, regions: tuple[int, int]) -> Iterator[Tensor]:
    """Cut `(N, C, H, W)` into its regions `(N, C, h, w)`, row by row."""
    rows = itertools.pairwise(region_edges(values.shape[-2], regions[0]))
    columns = list(itertools.pairwise(region_edges(values.shape[-1], regions[1])))
    for (top, bottom), (left, right) in itertools.product(rows, columns):
        yield values[:, :, top:bottom, left:right]


def _maxima(values: Tensor, regions: tuple[int, int]) -> Tensor:
    """Give `(N, D)`, the largest value of each region; of equal ones the first has the gradient."""
    height, width = values.shape[-2:]
    down, across = regions
    if height % down == 0 and width % across == 0:
        return F.max_pool2d(values, (height // down, width // across)).flatten(1)
    windows = region_windows(values, regions)
    return torch.cat([F.max_pool2d(w, w.shape[-2:]).flatten(2) for w in windows], 2).flatten(1)


def position_weights(values: Tensor, rule: LayerRule) -> Tensor:
    """Give the weight with which each position of one region enters what the region says.

    Args:
        values: `(N, C, P)`, float32, as `pooled_values` gave them.
        rule: says the factors.

    Returns:
        `(N, C, P)`, float32; times the values and summed over P, it is what `pooled` gives. Of
        equal maxima or minima the first position has the weight.
    """
    mean, largest, least = rule.pooling
    positions = values.shape[-1]
    weights = torch.full_like(values, mean / positions)
    place = torch.arange(positions, device=values.device)
    if largest:
        weights = weights + largest * (place == values.argmax(-1, keepdim=True))
    if least:
        weights = weights + least * (place == values.argmin(-1, keepdim=True))
    return weights
