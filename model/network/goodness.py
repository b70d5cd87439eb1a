"""Goodness, channel-class assignment and the local loss, as pure functions of tensors.

Axes: N images, C channels, H x W positions, R x R regions, D = C * R * R channel-regions
(channel-major: `d = c * R * R + row * R + column`), K classes, L layers.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor


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


def channel_contributions(standardised: Tensor, assignment: Tensor) -> Tensor:
    """Take class goodness apart by channel-region.

    Args:
        standardised: `(N, D)`, float32.
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        `(N, D, K)`, which summed over D is `class_goodness(standardised, assignment)`.
    """
    return standardised.unsqueeze(-1) * class_weights(assignment)


def position_contributions(
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


def fixed_assignment(channels: int, regions: tuple[int, int], num_classes: int) -> Tensor:
    """Give every class an equal run of the channels, as the older methods do.

    Returns:
        `(D, K)`, float32, one 1 in each row. Where K does not divide C the runs differ by
        one channel.

    Raises:
        ValueError: fewer channels than classes, so that a class would have none.

    Source: CwComp (AAAI 2024) and DeeperForward (ICLR 2025).
    """
    if channels < num_classes:
        message = (
            f"a fixed assignment needs a channel per class: {channels} channels, "
            f"{num_classes} classes; widen the layer or use a learnable assignment"
        )
        raise ValueError(message)
    owner = torch.arange(channels) * num_classes // channels
    per_region = owner.repeat_interleave(regions[0] * regions[1])
    return F.one_hot(per_region, num_classes).float()


def assignment_entropy(assignment: Tensor) -> Tensor:
    """Say how undecided the channel-regions are: 0 one class each, 1 all classes alike.

    Args:
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        A scalar: the mean over D of the row's entropy over ln K.

    Source: arXiv 2606.09928 names an entropy term; this normalised form is ours.
    """
    # At 0 the slope is infinite, and one such entry would make every gradient nan.
    above_zero = assignment.clamp_min(torch.finfo(assignment.dtype).tiny)
    entropies: Tensor = torch.special.entr(above_zero).sum(1)
    return entropies.mean() / math.log(assignment.shape[1])


def assignment_overlap(assignment: Tensor) -> Tensor:
    """Say how far classes share channel-regions: 0 not at all, 1 entirely.

    Args:
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        A scalar: the mean of the squared cosines between different columns.

    Source: arXiv 2606.09928 names an orthogonality term; squared cosines are ours.
    """
    num_classes = assignment.shape[1]
    cosines = F.normalize(assignment, dim=0).T @ F.normalize(assignment, dim=0)
    squares = cosines.square().sum() - cosines.diagonal().square().sum()
    return squares / (num_classes * (num_classes - 1))


def local_loss(
    scaled_goodness: Tensor,
    labels: Tensor,
    assignment: Tensor,
    entropy_weight: float,
    orthogonality_weight: float,
) -> Tensor:
    """Score one layer on its own: the only objective its parameters ever see.

    Args:
        scaled_goodness: `(N, K)`, the layer's class goodness times its learnable scale.
        labels: `(N,)`, int64, in `[0, K)`.
        assignment: `(D, K)`, each row sums to 1.
        entropy_weight: how much an undecided assignment costs.
        orthogonality_weight: how much an assignment shared between classes costs.

    Returns:
        A scalar, in nats.

    Source: arXiv 2606.09928, whose abstract names the terms; their form is ours.
    """
    loss = F.cross_entropy(scaled_goodness, labels)
    loss = loss + entropy_weight * assignment_entropy(assignment)
    return loss + orthogonality_weight * assignment_overlap(assignment)


def layer_contributions(losses: Tensor, temperature: float) -> Tensor:
    """Weigh the layers by how well each does alone on the validation split.

    Args:
        losses: `(L,)`, each layer's mean cross-entropy on validation, in nats.
        temperature: above 0, in nats; near 0 only the best layer counts, large ones make
            all layers count alike.

    Returns:
        `(L,)`, positive, summing to 1.

    Source: arXiv 2606.09928 names loss-aware layer contributions; the softmax is ours.
    """
    return torch.softmax(-losses / temperature, dim=0)


def _averaging_matrix(size: int, regions: int) -> Tensor:
    """`(regions, size)`: row r averages the positions of region r."""
    edges = region_edges(size, regions)
    matrix = torch.zeros(regions, size)
    for row in range(regions):
        start, stop = edges[row], edges[row + 1]
        matrix[row, start:stop] = 1 / (stop - start)
    return matrix


def _region_map(height: int, width: int, regions: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """`(H * W,)` each: the region a position lies in, and how many positions that region has."""
    rows, columns = _owners(height, regions[0]), _owners(width, regions[1])
    region_of = (rows[:, None] * regions[1] + columns[None, :]).flatten()
    return region_of, torch.bincount(region_of)[region_of]


def _owners(size: int, regions: int) -> Tensor:
    """`(size,)`: the index of the region each position along one axis lies in."""
    edges = torch.tensor(region_edges(size, regions))
    return torch.repeat_interleave(torch.arange(regions), edges.diff())
