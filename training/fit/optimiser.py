"""The optimizer of one layer, and its rate at every step."""

import math
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from model.network.block import ForwardForwardBlock
from training.fit.muon import Muon
from training.objective.objective import Moment
from training.settings.sections import OptimiserSettings
from training.settings.values import Schedule


class LocalOptimizer:
    """Moves what learns from one loss: the convolutions by Muon or AdamW, all else by AdamW."""

    def __init__(self, of: "Parameters", settings: OptimiserSettings) -> None:
        """Group the parameters: only convolutions decay, and assignment and scale are faster.

        Where a group is empty or does not learn, as with a fixed assignment or a whitened stem,
        there is nothing to move.
        """
        convolutions = {"params": of.convolutions, "rate": settings.convolution_factor}
        # Decay would pull norms to silence and the assignment to undecided: both are not wanted.
        others = [
            {"params": of.norms, "weight_decay": 0.0, "rate": 1.0},
            {"params": of.readout, "weight_decay": 0.0, "rate": settings.assignment_rate},
        ]
        rate, decay = settings.learning_rate, settings.weight_decay
        by_muon, by_adam = [convolutions], others
        if settings.optimizer == "adamw":
            by_muon, by_adam = [], [convolutions | {"weight_decay": decay}, *others]
        self._optimizers: list[torch.optim.Optimizer] = []
        if moved := _learning(by_muon):
            self._optimizers.append(Muon(moved, lr=rate, weight_decay=decay))
        if moved := _learning(by_adam):
            self._optimizers.append(torch.optim.AdamW(moved, lr=rate, fused=True))

    def set_rate(self, learning_rate: float) -> None:
        """Set every group's rate, by its factor."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * group["rate"]

    def step(self) -> None:
        """Move the parameters by their gradients, and drop these."""
        for optimizer in self._optimizers:
            optimizer.step()
            # Now, not before the next step: the layers' gradients need not be there side by side.
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Give what the next step depends on."""
        return {type(o).__name__: o.state_dict() for o in self._optimizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where `state_dict` was taken.

        Raises:
            KeyError, ValueError: the state is of other parameters, or of another optimizer.
        """
        if "param_groups" in state:  # of a run that knew AdamW alone
            state = {torch.optim.AdamW.__name__: state}
        for optimizer in self._optimizers:
            optimizer.load_state_dict(state[type(optimizer).__name__])


class Parameters(NamedTuple):
    """What learns from one loss.

    Attributes:
        convolutions: their weights.
        norms: scales and shifts behind the convolutions.
        readout: the goodness's scale, and the assignment.
    """

    convolutions: list[nn.Parameter]
    norms: list[nn.Parameter]
    readout: list[nn.Parameter]

    @classmethod
    def of(cls, block: ForwardForwardBlock) -> "Parameters":
        """List a layer's parameters; a plain readout has no scale to learn."""
        scale = [block.scale] if isinstance(block.scale, nn.Parameter) else []
        return cls(
            [cast("nn.Parameter", conv.weight) for conv, _ in block.convolved()],
            [parameter for _, norm in block.convolved() for parameter in norm.parameters()],
            [*scale, *block.assignment.parameters()],
        )


def _learning(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what does not learn, and groups in which nothing is left."""
    kept = [g | {"params": [p for p in g["params"] if p.requires_grad]} for g in groups]
    return [group for group in kept if group["params"]]


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
    """Work out the rate of a step: a linear rise, then a fall to the final rate.

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
