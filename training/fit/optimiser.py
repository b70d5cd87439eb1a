"""The optimizer of one layer, and its rate at every step."""

import torch

from model.network.block import ForwardForwardBlock
from training.objective.objective import Moment
from training.settings.sections import OptimiserSettings


def layer_optimizer(
    block: ForwardForwardBlock, settings: OptimiserSettings
) -> torch.optim.Optimizer:
    """Give a layer an AdamW: only the convolution decays, only assignment and scale are faster.

    A fixed assignment has no parameters, so there is nothing to learn there.
    """
    fast = [block.scale, *block.assignment.parameters()]
    groups = [
        {"params": [block.conv.weight], "weight_decay": settings.weight_decay, "rate": 1.0},
        # Decay would pull norms to silence and the assignment to undecided: both are not wanted.
        {"params": list(block.norm.parameters()), "weight_decay": 0.0, "rate": 1.0},
        {"params": fast, "weight_decay": 0.0, "rate": settings.assignment_rate},
    ]
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
    own = Moment(at.step, at.total_steps * part)
    return own if own.step < own.total_steps else None


def learning_rate(settings: OptimiserSettings, at: Moment) -> float:
    """Work out the convolutions' rate at a step: a linear rise, then a linear fall to zero.

    Args:
        settings: peak and rise.
        at: the place in the part of the run in which the layer learns.
    """
    rise = settings.warmup_fraction * at.total_steps
    # The step that is being taken counts for the rise: a first rate of 0 would waste it.
    done = at.step + 1
    fall = (at.total_steps - at.step) / max(at.total_steps - rise, 1)
    return settings.learning_rate * min(done / rise if rise else 1.0, fall, 1.0)
