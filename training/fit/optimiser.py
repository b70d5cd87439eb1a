"""The optimizer of one layer, and its rate at every step."""

import math

import torch
from torch import nn

from model.network.block import ForwardForwardBlock
from training.objective.objective import Moment
from training.settings.sections import OptimiserSettings
from training.settings.values import Schedule


def layer_optimizer(
    block: ForwardForwardBlock, settings: OptimiserSettings
) -> torch.optim.Optimizer:
    """Give a layer an AdamW: only convolutions decay, only assignment and scale are faster.

    A fixed assignment has no parameters, so there is nothing to learn there; likewise a plain
    readout's scale, and where there is no norm.
    """
    scale = [block.scale] if isinstance(block.scale, nn.Parameter) else []
    fast = [*scale, *block.assignment.parameters()]
    convolutions = [conv.weight for conv, _ in block.convolved()]
    norms = [parameter for _, norm in block.convolved() for parameter in norm.parameters()]
    groups = [
        {"params": convolutions, "weight_decay": settings.weight_decay, "rate": 1.0},
        # Decay would pull norms to silence and the assignment to undecided: both are not wanted.
        {"params": norms, "weight_decay": 0.0, "rate": 1.0},
        {"params": fast, "weight_decay": 0.0, "rate": settings.assignment_rate},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set every group's rate, the fast one's by its factor."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["rate"]


def layer_moment(settings: OptimiserSettings, layer: int, at: Moment) -> Moment | None:
    """Place a step in the part of the run in which a layer learns.

    Args:
        settings: `freeze_after` names the parts, first layer first; a layer that it does not
            name learns to the end.
        layer: counted from 0.
        at: the place in the whole run.

    Returns:
        None once the layer is frozen.

    Source: FreezeOut (Brock et al., 2017) for the schedule; that a layer can stop without any
        effect on how the others learn is the local rule's own.
    """
    named = settings.freeze_after
    part = named[layer] if layer < len(named) else 1.0
    own = at._replace(total_steps=at.total_steps * part)
    return own if own.step < own.total_steps else None


def learning_rate(settings: OptimiserSettings, at: Moment) -> float:
    """Work out the convolutions' rate at a step: a linear rise, then a fall to the final rate.

    Args:
        settings: peak, rise, and how it falls to which part of the peak.
        at: the place in the part of the run in which the layer learns.
    """
    rise = settings.warmup_fraction * at.total_steps
    # The step that is being taken counts for the rise: a first rate of 0 would waste it.
    done = at.step + 1
    left = (at.total_steps - at.step) / max(at.total_steps - rise, 1)
    final = settings.final_rate
    fall = final + (1 - final) * _shaped(left, settings.schedule)
    return settings.learning_rate * min(done / rise if rise else 1.0, fall, 1.0)


def _shaped(left: float, schedule: Schedule) -> float:
    """Give the height of a fall from 1 to 0 of which a part is left; before it, at least 1."""
    if schedule == "linear" or left >= 1:
        return left
    return (1 - math.cos(math.pi * left)) / 2
