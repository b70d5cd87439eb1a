"""Scores taken apart exactly: the contributions of single channel-regions and positions.

Axes as in `model.network.goodness`, and L layers; `_l` marks what differs by layer.
"""

import torch
from torch import Tensor

from model.network.block import ForwardForwardBlock
from model.network.goodness import class_weights, region_edges
from model.network.stack import ForwardForwardNetwork


def channel_contributions(network: ForwardForwardNetwork, images: Tensor) -> list[Tensor]:
    """Take the scores apart by layer and channel-region.

    Args:
        network: in evaluation mode.
        images: `(N, H, W, 3)`, uint8.

    Returns:
        L tensors `(N, C_l, R_l, R_l, K)`, float32; all of them summed over layers, channels
        and regions are the scores. Summed over the regions alone they are the channels'
        contributions.
    """
    parts = [_by_channel(block, activity) for block, activity in network.activities(images)]
    weights = network.get_buffer("layer_weights")
    return [weight * part for weight, part in zip(weights, parts, strict=True)]


def position_contributions(network: ForwardForwardNetwork, images: Tensor) -> list[Tensor]:
    """Take the scores apart by layer and position.

    Args:
        network: in evaluation mode.
        images: `(N, H, W, 3)`, uint8.

    Returns:
        L tensors `(N, H_l, W_l, K)`, float32, on each layer's own grid; all of them summed
        over layers and positions are the scores.
    """
    parts = [_by_position(block, activity) for block, activity in network.activities(images)]
    weights = network.get_buffer("layer_weights")
    return [weight * part for weight, part in zip(weights, parts, strict=True)]


def goodness_by_channel(standardised: Tensor, assignment: Tensor) -> Tensor:
    """Take class goodness apart by channel-region.

    Args:
        standardised: `(N, D)`, float32.
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        `(N, D, K)`, which summed over D is `class_goodness(standardised, assignment)`.
    """
    return standardised.unsqueeze(-1) * class_weights(assignment)


def goodness_by_position(
    activity: Tensor,
    mean: Tensor,
    deviation: Tensor,
    assignment: Tensor,
    regions: tuple[int, int],
) -> Tensor:
    """Take class goodness apart by position: the same sum, before the mean over a region.

    Args:
        activity: `(N, C, H, W)`, float32.
        mean: `(D,)`, the running mean of each channel-region.
        deviation: `(D,)`, its running standard deviation, above 0.
        assignment: `(D, K)`, each row sums to 1.
        regions: regions down and across, as `region_means` took them.

    Returns:
        `(N, H, W, K)`, which summed over H and W is the layer's class goodness: each
        position holds its share `(y - mean) / (deviation * positions in its region)`.
    """
    height, width = activity.shape[-2:]
    region_of, size_of = _region_map(height, width, regions)
    channels = activity.shape[1]
    per_region = (channels, regions[0] * regions[1])
    region_of, size_of = region_of.to(mean.device), size_of.to(mean)
    centre = mean.view(per_region)[:, region_of]
    spread = deviation.view(per_region)[:, region_of] * size_of
    share = (activity.flatten(2) - centre) / spread
    weights = class_weights(assignment).view(*per_region, -1)[:, region_of]
    by_position = torch.einsum("ncp,cpk->npk", share, weights)
    return by_position.view(-1, height, width, weights.shape[-1])


def _by_channel(block: ForwardForwardBlock, activity: Tensor) -> Tensor:
    """`(N, C, R, R, K)`, which summed over channels and regions is the scaled goodness."""
    spec = block.spec
    parts = goodness_by_channel(block.read(activity).standardised, block.assignment())
    return block.scale * parts.view(-1, spec.channels, *spec.regions, spec.num_classes)


def _by_position(block: ForwardForwardBlock, activity: Tensor) -> Tensor:
    """`(N, H, W, K)`, which summed over positions is the scaled goodness in evaluation mode."""
    norm = block.goodness_norm
    # The running statistics: a batch's own would make a position depend on its neighbours.
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    deviation = (variance + norm.eps).sqrt()
    return block.scale * goodness_by_position(
        activity.float(), mean, deviation, block.assignment(), block.spec.regions
    )


def _region_map(height: int, width: int, regions: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """`(H * W,)` each: the region a position lies in, and how many positions that region has."""
    rows, columns = _owners(height, regions[0]), _owners(width, regions[1])
    region_of = (rows[:, None] * regions[1] + columns[None, :]).flatten()
    return region_of, torch.bincount(region_of)[region_of]


def _owners(size: int, regions: int) -> Tensor:
    """`(size,)`: the index of the region each position along one axis lies in."""
    edges = torch.tensor(region_edges(size, regions))
    return torch.repeat_interleave(torch.arange(regions), edges.diff())
