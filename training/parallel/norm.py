"""Batch norm by the statistics of a batch of which each process has a share."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from training.parallel.collectives import stacked, summed


class Normalised(NamedTuple):
    """A share of a batch, standardised by the whole.

    Attributes:
        values: `(n, C, H, W)`, scaled and shifted as the norm has learned, of the input's dtype.
        mean: `(C,)`, float32, of the whole batch.
        inverse: `(C,)`, float32, one over the deviation of the whole batch.
        positions: a scalar, of the whole batch.
    """

    values: Tensor
    mean: Tensor
    inverse: Tensor
    positions: Tensor


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose statistics are those of all processes; its state is a batch norm's.

    Torch's own SyncBatchNorm does the same on CUDA alone. Where weight and bias are learned, their
    gradients come out whole on every process; SyncBatchNorm leaves them to be added up.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(n, C, H, W)`; in training all processes do so together."""
        if not self.training:
            return super().forward(x)
        if not (self.affine and torch.is_grad_enabled()):
            return self.normalised(x).values
        result: Tensor = _Normalise.apply(x, self.weight, self.bias, self)  # type: ignore[no-untyped-call]
        return result

    def normalised(self, x: Tensor) -> Normalised:
        """Normalise a share without autograd; the running statistics move."""
        with torch.no_grad():
            mean, variance, count = self._statistics(x.detach())
            values = F.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)
            return Normalised(values, mean, (variance + self.eps).rsqrt(), count)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give mean and variance of the whole batch, and its positions."""
        # Torch gives them in float32 only beside running statistics in float32: these are dropped.
        dropped = torch.zeros(2, x.shape[1], device=x.device)
        own = torch.batch_norm_update_stats(x, dropped[0], dropped[1], 1.0)
        positions = torch.full_like(own[0], x.numel() // x.shape[1])
        means, variances, counts = stacked(torch.stack([*own, positions])).unbind(1)
        weights = counts / counts.sum(0)
        mean = (weights * means).sum(0)
        # From the shares' own variances: a difference of squares would cancel.
        variance = (weights * (variances + (means - mean).square())).sum(0)
        count = counts[:, 0].sum()
        self._remember(mean, variance * (count / (count - 1)))
        return mean, variance, count

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        momentum = 0.1 if self.momentum is None else self.momentum
        self.get_buffer("num_batches_tracked").add_(1)
        self.get_buffer("running_mean").lerp_(mean, momentum)
        self.get_buffer("running_var").lerp_(variance, momentum)


def with_global_norms(module: nn.Module) -> None:
    """Put a `GlobalBatchNorm2d` in the place of every batch norm over positions, state and all."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            module.register_module(name, _global(child))
        else:
            with_global_norms(child)


def _global(norm: nn.BatchNorm2d) -> GlobalBatchNorm2d:
    made = GlobalBatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine)
    made.weight, made.bias = norm.weight, norm.bias
    for name, statistic in norm.named_buffers():
        made.register_buffer(name, statistic)
    return made.train(norm.training)


class _Normalise(torch.autograd.Function):
    """Normalises forth; back, both sums over positions are those of the whole batch."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's own type
        x: Tensor,
        weight: Tensor,
        bias: Tensor,  # noqa: ARG004  the norm has it too; autograd wants it named
        norm: GlobalBatchNorm2d,
    ) -> Tensor:
        found = norm.normalised(x)
        ctx.save_for_backward(x, weight, found.mean, found.inverse)
        ctx.positions = found.positions
        return found.values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, weight, mean, inverse = ctx.saved_tensors
        gradient = gradients[0].float()
        standard = (x.float() - _spread(mean)) * _spread(inverse)
        own = [gradient.sum((0, 2, 3)), (gradient * standard).sum((0, 2, 3))]
        to_bias, to_weight = summed(torch.stack(own)).unbind(0)
        usual = (_spread(to_bias) + standard * _spread(to_weight)) / ctx.positions
        to_x = (gradient - usual) * _spread(weight * inverse)
        return to_x.to(x.dtype), to_weight, to_bias, None


def _spread(channels: Tensor) -> Tensor:
    """See `(C,)` as `(C, 1, 1)`."""
    return channels[:, None, None]
