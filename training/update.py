"""One layer-local step: every layer learns from its own loss, and owns its own optimizer."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.network.block import ForwardForwardBlock
from model.network.goodness import local_loss
from model.network.stack import ForwardForwardNetwork
from training.config import FitSettings


@dataclass(frozen=True)
class Schedule:
    """What the settings say about one step.

    Attributes:
        learning_rate: of the convolutions; the assignment learns faster by a fixed factor.
        entropy_weight: lambda_H at this step.
        orthogonality_weight: lambda_O at this step.
    """

    learning_rate: float
    entropy_weight: float
    orthogonality_weight: float


def schedule(settings: FitSettings, step: int, total_steps: int) -> Schedule:
    """Work out the rates of `step` (from 0) of `total_steps`: a rise, then a fall to zero."""
    rise = settings.warmup_fraction * total_steps
    done = step + 1
    fall = (total_steps - step) / max(total_steps - rise, 1)
    ramp_steps = settings.regulariser_warmup * total_steps
    ramp = min(1.0, done / ramp_steps) if ramp_steps else 1.0
    return Schedule(
        learning_rate=settings.learning_rate * min(done / rise if rise else 1.0, fall, 1.0),
        entropy_weight=settings.entropy_weight * ramp,
        orthogonality_weight=settings.orthogonality_weight * ramp,
    )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Run what lies within in bfloat16 if so asked: the convolutions, not the readout."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class LocalUpdate:
    """Takes steps on a network, one layer after the other, no gradient crossing over."""

    def __init__(self, network: ForwardForwardNetwork, settings: FitSettings) -> None:
        """Give each layer an AdamW of its own."""
        self._network = network
        self._settings = settings
        self._optimizers = [_optimizer(block, settings) for block in network.layers()]

    def step(self, images: Tensor, labels: Tensor, at: Schedule) -> Tensor:
        """Let every layer learn from one batch.

        Args:
            images: `(N, H, W, 3)`, uint8.
            labels: `(N,)`, int64.
            at: the rates of this step.

        Returns:
            `(L,)`, each layer's local loss in nats, detached.
        """
        x = self._network.normalised(images).contiguous(memory_format=torch.channels_last)
        losses = []
        for block, optimizer in zip(self._network.layers(), self._optimizers, strict=True):
            x, loss = self._step_layer(block, optimizer, x, labels, at)
            losses.append(loss)
        return torch.stack(losses)

    def _step_layer(
        self,
        block: ForwardForwardBlock,
        optimizer: torch.optim.Optimizer,
        x: Tensor,
        labels: Tensor,
        at: Schedule,
    ) -> tuple[Tensor, Tensor]:
        """Step one layer; return what it passes on and its loss, both detached."""
        with autocast(x.device, self._settings.precision):
            pooled = block.pooled(x)
            activity = block.activity(pooled)
        loss = local_loss(
            block.scaled_goodness(activity),
            labels,
            block.assignment(),
            at.entropy_weight,
            at.orthogonality_weight,
        )
        for group in optimizer.param_groups:
            group["lr"] = at.learning_rate * group["rate"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return block.pass_on(activity, pooled), loss.detach()

    def state_dict(self) -> list[dict[str, Any]]:
        """Give every optimizer's state, first layer first."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Put every optimizer back where `state_dict` found it."""
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def _optimizer(block: ForwardForwardBlock, settings: FitSettings) -> torch.optim.Optimizer:
    """AdamW in three groups: only the convolution decays, only the assignment is faster."""
    fast = list(_fast_parameters(block))
    groups = [
        {"params": [block.conv.weight], "weight_decay": settings.weight_decay, "rate": 1.0},
        {"params": list(block.norm.parameters()), "weight_decay": 0.0, "rate": 1.0},
        {"params": fast, "weight_decay": 0.0, "rate": settings.assignment_rate},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def _fast_parameters(block: ForwardForwardBlock) -> Iterator[torch.nn.Parameter]:
    """The scale, and the assignment where it learns."""
    yield block.scale
    if block.spec.assignment == "learnable":
        yield block.assignment_logits
