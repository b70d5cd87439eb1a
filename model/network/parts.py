"""Scores taken apart exactly: the contributions of single channel-regions and positions.

Axes as in `model.network.goodness`, and L layers; `_l` marks what differs by layer.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from model.network.block import ForwardForwardBlock
from model.network.pooling import pooled_values, position_weights, region_windows
from model.network.rule import LayerRule
from model.network.stack import ForwardForwardNetwork, LayerReading
from model.network.views import mirrored_back


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
    parts = [_by_channel(reading) for reading in network.readings(images)]
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
    is_mirrored = network.spec.mirrored
    parts = [
        mirrored_back(_by_position(block, activity), -2, is_mirrored=is_mirrored)
        for block, activity, _ in network.readings(images)
    ]
    weights = network.get_buffer("layer_weights")
    return [weight * part for weight, part in zip(weights, parts, strict=True)]


def goodness_by_channel(standardised: Tensor, weights: Tensor) -> Tensor:
    """Take class goodness apart by channel-region.

    Args:
        standardised: `(N, D)`, float32, as a block's readout has it.
        weights: `(D, K)`, of every channel-region in each class.

    Returns:
        `(N, D, K)`, which summed over D is `standardised @ weights`.
    """
    return standardised.unsqueeze(-1) * weights


def goodness_by_position(
    activity: Tensor,
    usual: tuple[Tensor, Tensor],
    weights: Tensor,
    regions: tuple[int, int],
    rule: LayerRule,
) -> Tensor:
    """Take class goodness apart by position: the same sum, before a region is pooled.

    Args:
        activity: `(N, C, H, W)`, float32.
        usual: `(D,)` each, the usual value of each channel-region and its spread, above 0.
        weights: `(D, K)`, of every channel-region in each class.
        regions: regions down and across, as `region_means` took them.
        rule: says how a region is pooled.

    Returns:
        `(N, H, W, K)`, which summed over H and W is the layer's class goodness. Every position
        of a region bears the same part of its usual value; the maximum is borne by the first
        position that has it, and so is the minimum.
    """
    values, per_region = pooled_values(activity, rule), (activity.shape[1], -1)
    mean, deviation = (part.view(per_region) for part in usual)
    per_class = weights.view(*mean.shape, -1)
    maps = [
        torch.einsum("nchw,ck->nhwk", share, per_class[:, region])
        for region, share in enumerate(_shares(values, mean, deviation, regions, rule))
    ]
    rows = [torch.cat(maps[at : at + regions[1]], dim=2) for at in range(0, len(maps), regions[1])]
    return torch.cat(rows, dim=1)


def _shares(
    values: Tensor,
    mean: Tensor,
    deviation: Tensor,
    regions: tuple[int, int],
    rule: LayerRule,
) -> Iterator[Tensor]:
    """`(N, C, h, w)` per region: what each position adds to its standardised value."""
    for region, window in enumerate(region_windows(values, regions)):
        flat = window.flatten(2)
        usual = mean[:, region, None] / flat.shape[-1]
        weighed = flat * position_weights(flat, rule)
        yield ((weighed - usual) / deviation[:, region, None]).view(window.shape)


def _by_channel(reading: LayerReading) -> Tensor:
    """`(N, C, R, R, K)`, which summed over channels and regions is the scaled goodness."""
    block, _, readout = reading
    spec = block.spec
    parts = goodness_by_channel(readout.standardised, block.class_weights())
    return parts.view(-1, spec.channels, *spec.regions, spec.num_classes)


def _by_position(block: ForwardForwardBlock, activity: Tensor) -> Tensor:
    """`(N, H, W, K)`, which summed over positions is the scaled goodness in evaluation mode."""
    # The usual values are running ones: a batch's own would make a position depend on others.
    return goodness_by_position(
        activity.float(), block.usual(), block.class_weights(), block.spec.regions, block.spec
    )
