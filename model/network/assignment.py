"""Which classes a channel-region speaks for: assignments as modules, and what is said of them.

Axes: C channels, R x R regions, D = C * R * R channel-regions, K classes.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from model.network.rule import AssignmentKind
from model.network.spec import BlockSpec

# Started near uniform: from a fixed partition, learning loses nine points (CIFAR-10, screened).
_NOISE = 0.01
_LEAST_TEMPERATURE, _LARGEST_TEMPERATURE = 0.1, 100.0


class LearnableAssignment(nn.Module):
    """A softmax over the classes in every channel-region, learned by the layer's own loss.

    Source: arXiv 2606.09928.
    """

    def __init__(self, spec: BlockSpec, generator: torch.Generator) -> None:
        """Begin nearly undecided, with noise from `generator` alone."""
        super().__init__()
        logits = torch.empty(spec.num_channel_regions, spec.num_classes)
        nn.init.normal_(logits, std=_NOISE, generator=generator)
        self.logits = nn.Parameter(logits)

    def forward(self) -> Tensor:
        """Give the assignment: `(D, K)`, float32, rows sum to 1."""
        return torch.softmax(self.logits, dim=1)


class TemperedAssignment(nn.Module):
    """A softmax over the classes at a temperature that is learned, and falls with the epochs.

    Source: arXiv 2606.09928, whose code begins with equal logits: the channels differ, so that
        the first gradient makes their logits differ.
    """

    def __init__(self, spec: BlockSpec, _: torch.Generator) -> None:
        """Begin undecided, at the temperature of the spec."""
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(spec.num_channel_regions, spec.num_classes))
        start = math.log(spec.assignment_temperature)
        self.log_temperature = nn.Parameter(torch.tensor(start))
        self.register_buffer("decay", torch.ones(()))
        self._decay_per_epoch = spec.temperature_decay

    def begin_epoch(self, epoch: int) -> None:
        """Let the temperature have fallen for so many epochs."""
        self.get_buffer("decay").fill_(self._decay_per_epoch**epoch)

    def temperature(self) -> Tensor:
        """Give the temperature: a scalar above 0; only what is learned is held in 0.1 to 100."""
        learned = self.log_temperature.exp().clamp(_LEAST_TEMPERATURE, _LARGEST_TEMPERATURE)
        return learned * self.get_buffer("decay")

    def forward(self) -> Tensor:
        """Give the assignment: `(D, K)`, float32, rows sum to 1."""
        return torch.softmax(self.logits / self.temperature(), dim=1)


class FixedAssignment(nn.Module):
    """Every class owns an equal run of the channels; nothing is learned.

    Source: CwComp (AAAI 2024) and DeeperForward (ICLR 2025).
    """

    def __init__(self, spec: BlockSpec, _: torch.Generator) -> None:
        """Deal the channels out.

        Raises:
            ValueError: fewer channels than classes, so that a class would have none.
        """
        super().__init__()
        partition = equal_partition(spec.channels, spec.regions, spec.num_classes)
        self.register_buffer("partition", partition)

    def forward(self) -> Tensor:
        """Give the assignment: `(D, K)`, float32, one 1 in each row."""
        return self.get_buffer("partition")


Assignment = LearnableAssignment | TemperedAssignment | FixedAssignment

# The one place where a kind's name becomes code.
ASSIGNMENTS: dict[AssignmentKind, Callable[[BlockSpec, torch.Generator], Assignment]] = {
    "learnable": LearnableAssignment,
    "tempered": TemperedAssignment,
    "fixed": FixedAssignment,
}


def equal_partition(channels: int, regions: tuple[int, int], num_classes: int) -> Tensor:
    """Give every class an equal run of the channels, as the older methods do.

    Returns:
        `(D, K)`, float32, one 1 in each row. Where K does not divide C the runs differ by
        one channel.

    Raises:
        ValueError: fewer channels than classes, so that a class would have none.
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


def column_entropy(assignment: Tensor) -> Tensor:
    """Say how much is spread over the channel-regions of a class, for the mean class.

    Args:
        assignment: `(D, K)`, each row sums to 1.

    Returns:
        A scalar, in nats: `-sum_d P_dk ln P_dk`, averaged over K. It is 0 if every
        channel-region speaks for one class alone, and D / K * ln K if all are undecided.

    Source: arXiv 2606.09928, as its code has it.
    """
    above_zero = assignment.clamp_min(torch.finfo(assignment.dtype).tiny)
    entropies: Tensor = torch.special.entr(above_zero).sum(0)
    return entropies.mean()


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
