"""A network that shows, beside its scores, where and in which channels a class's evidence lies.

Axes as in `model.network.goodness`, and M combinations of classes. `_l`: differs by layer.
"""

from itertools import pairwise
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from model.network.block import ForwardForwardBlock
from model.network.goodness import region_edges
from model.network.stack import ForwardForwardNetwork
from model.network.views import mirrored_back, repeated


class Evidence(NamedTuple):
    """Scores taken apart, for combinations of classes.

    Attributes:
        scores: `(N, K)`, float32.
        probabilities: `(N, K)`, float32, each row sums to 1.
        contributions: `(N, L, K)`, float32, which summed over L are the scores.
        channels: `(N, M, sum of C_l)`, float32, the part of every channel, first layer first;
            summed they are the combination's score.
        activity: `(N, sum of C_l)`, float32, how many standard deviations each channel is more
            active than usual, on average over its regions.
        maps: L tensors `(N, M, H_l, W_l)`, float32, the part of every position; summed over
            layers and positions they are the combination's score.
    """

    scores: Tensor
    probabilities: Tensor
    contributions: Tensor
    channels: Tensor
    activity: Tensor
    maps: tuple[Tensor, ...]


class EvidenceNetwork(nn.Module):
    """The same network, whose answer is taken apart in the same pass, exactly.

    Only for the combinations asked for: their cost grows with M, not with K.
    """

    def __init__(self, network: ForwardForwardNetwork) -> None:
        """Look into a network in evaluation mode."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, by_class: Tensor, by_rank: Tensor) -> Evidence:
        """Classify images and take combinations of their classes' scores apart.

        Args:
            images: `(N, H, W, 3)`, uint8.
            by_class: `(N, M, K)`, float32, the factor of each class in each combination: a 1 asks
                for that class, a 1 and a -1 for what tells two apart.
            by_rank: `(N, M, K)`, float32, the same for the most probable class, the second, ...;
                the two are added up.
        """
        is_mirrored, maps = self.network.spec.mirrored, []
        readings = list(self.network.readings(images))
        answer = self.network.combined([reading.readout for reading in readings])
        wanted = by_class + by_rank @ _ranked(answer.scores)
        channels, active = [], []
        weights = self.network.get_buffer("layer_weights")
        for (block, activity, readout), weight in zip(readings, weights, strict=True):
            combined = wanted @ (weight * block.class_weights()).T
            per_channel = (block.spec.channels, -1)
            parts = combined * readout.standardised[:, None]
            channels.append(torch.unflatten(parts, -1, per_channel).sum(-1))
            active.append(torch.unflatten(readout.standardised, -1, per_channel).mean(-1))
            of_views = repeated(combined, is_mirrored=is_mirrored)
            placed = _by_position(block, activity.float(), of_views)
            maps.append(mirrored_back(placed, -1, is_mirrored=is_mirrored))
        return Evidence(*answer, torch.cat(channels, -1), torch.cat(active, -1), tuple(maps))


def can_show_evidence(network: ForwardForwardNetwork) -> bool:
    """Tell whether positions share what a region says: they do where it is their mean."""
    return all(block.spec.reads_means for block in network.layers())


def channel_assignment(network: ForwardForwardNetwork) -> Tensor:
    """Say how far each channel speaks for each class: the mean over its regions.

    Returns:
        `(sum of C_l, K)`, float32, first layer first, each row sums to 1.
    """
    with torch.no_grad():
        shares = [
            torch.unflatten(block.assignment(), 0, (block.spec.channels, -1)).mean(1)
            for block in network.layers()
        ]
        return torch.cat(shares)


def channel_weights(network: ForwardForwardNetwork) -> Tensor:
    """Say how much each channel counts for each class: the sum over its regions.

    Returns:
        `(sum of C_l, K)`, float32, first layer first: what a class's score gains where all
        regions of a channel are one standard deviation more active than usual.
    """
    weights = network.get_buffer("layer_weights")
    with torch.no_grad():
        gains = [
            weight * torch.unflatten(block.class_weights(), 0, (block.spec.channels, -1)).sum(1)
            for block, weight in zip(network.layers(), weights, strict=True)
        ]
        return torch.cat(gains)


def _ranked(scores: Tensor) -> Tensor:
    """`(N, K, K)`: row r marks the class of rank r."""
    classes = scores.shape[1]
    order = torch.topk(scores, classes, dim=1).indices
    return (order.unsqueeze(-1) == torch.arange(classes, device=scores.device)).float()


def _by_position(block: ForwardForwardBlock, activity: Tensor, combined: Tensor) -> Tensor:
    """Spread combinations' weights `(N, M, D)` over the positions that the regions average.

    Returns:
        `(N, M, H, W)`: each position holds its share of what its regions give.
    """
    regions, (usual, spread) = block.spec.regions, block.usual()
    scaled = combined / spread
    per_region = (block.spec.channels, *regions)
    offsets = torch.unflatten(scaled * usual, -1, per_region).sum(2).permute(0, 2, 3, 1)
    slopes = torch.unflatten(scaled, -1, per_region).permute(0, 3, 4, 1, 2)
    rows, columns = (_Cut.of(*pair) for pair in zip(activity.shape[-2:], regions, strict=True))
    padded = activity.index_select(2, rows.taken).index_select(3, columns.taken)
    windows = torch.unflatten(torch.unflatten(padded, 3, (regions[1], -1)), 2, (regions[0], -1))
    found = slopes @ windows.permute(0, 2, 4, 1, 3, 5).flatten(4)
    sizes = rows.sizes[:, None] * columns.sizes
    shares = (found - offsets.unsqueeze(-1)) / sizes[:, :, None, None]
    grid = torch.unflatten(shares, -1, (rows.longest, -1)).permute(0, 3, 1, 4, 2, 5)
    whole = grid.flatten(4).flatten(2, 3)
    return whole.index_select(2, rows.kept).index_select(3, columns.kept)


class _Cut(NamedTuple):
    """One axis cut into regions, each padded to the longest one.

    Attributes:
        taken: `(R * longest,)`, int64, the position that stands at each place.
        kept: `(size,)`, int64, the place at which each position stands.
        sizes: `(R,)`, float32, the positions of each region.
        longest: of those sizes.
    """

    taken: Tensor
    kept: Tensor
    sizes: Tensor
    longest: int

    @classmethod
    def of(cls, size: int, regions: int) -> Self:
        """Cut `size` positions as `region_means` does."""
        edges = region_edges(size, regions)
        sizes = [stop - start for start, stop in pairwise(edges)]
        longest = max(sizes)
        taken = [min(start + i, size - 1) for start in edges[:-1] for i in range(longest)]
        kept = [r * longest + i for r, length in enumerate(sizes) for i in range(length)]
        return cls(torch.tensor(taken), torch.tensor(kept), torch.tensor(sizes).float(), longest)
