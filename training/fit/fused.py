"""A block's pass in training on a CPU, with a backward pass that uses what is known of it.

The loss reads the activity only through its mean over regions, so the gradient that reaches a
position is one number per channel-region. Both sums that batch norm's backward pass needs then
follow from the means and from how many positions of a region are active, without another look at
the activity; autograd would write that gradient out to every position, three times. In a layer of
two convolutions that holds for the second one; norm and ReLU behind the first are autograd's.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from model.network.block import ForwardForwardBlock
from training.parallel.collectives import summed
from training.parallel.norm import GlobalBatchNorm2d

# On grids this small, nine products of matrices beat the convolution library's weight gradient
# (4 x 4 positions, 250 images, 320 to 256 channels: 11 ms instead of 38, one thread of a Xeon).
_SMALL_GRID = 4


def can_fuse(block: ForwardForwardBlock, x: Tensor) -> bool:
    """Tell whether the fused pass holds: means of even regions, behind a norm, on a CPU."""
    height, width = x.shape[-2:]
    down, across = block.spec.regions
    is_even = height % down == 0 and width % across == 0
    has_norm = isinstance(block.norm, nn.BatchNorm2d)
    return x.device.type == "cpu" and is_even and has_norm and block.spec.reads_means


def fused_pass(block: ForwardForwardBlock, prepared: Tensor) -> tuple[Tensor, Tensor]:
    """Convolve, normalise, rectify and read the means, in the precision of the input.

    Args:
        block: in training; its running statistics move.
        prepared: `(N, in_channels, H, W)`, float32 or bfloat16, as `can_fuse` allows.

    Returns:
        The means, `(N, D)`, float32, through which alone gradients flow back, and the activity,
        `(N, C, H, W)`, without a gradient.
    """
    norm = block.norm
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101  `can_fuse` saw to it
    for conv, inner in block.convolved()[:-1]:
        prepared = F.relu(inner(_convolved(prepared, conv.weight)))
    raw = _convolved(prepared, block.conv.weight)
    means, activity = _NormalisedMeans.apply(  # type: ignore[no-untyped-call]
        raw, norm.weight, norm.bias, norm, block.spec.regions
    )
    return means, activity


def frozen_activity(block: ForwardForwardBlock, prepared: Tensor) -> Tensor:
    """Give the activity of a block that no longer learns: any norm folded into the weights.

    Args:
        block: whatever its mode, its running statistics are used and stay as they are.
        prepared: `(N, in_channels, H, W)`, float32 or bfloat16.

    Returns:
        `(N, C, H, W)`, of the input's dtype, without a gradient.
    """
    with torch.no_grad():
        for conv, norm in block.convolved():
            prepared = _folded(prepared, conv.weight, norm)
    return prepared


def _folded(x: Tensor, weight: Tensor, norm: nn.Module) -> Tensor:
    """Convolve with the norm's running statistics folded into the weights, and rectify."""
    if not isinstance(norm, nn.BatchNorm2d):
        return F.conv2d(x, weight.to(x.dtype), padding=1).relu_()
    factor = norm.weight * (norm.get_buffer("running_var") + norm.eps).rsqrt()
    shift = norm.bias - norm.get_buffer("running_mean") * factor
    folded = (weight * factor[:, None, None, None]).to(x.dtype)
    return F.conv2d(x, folded, shift.to(x.dtype), padding=1).relu_()


def _convolved(x: Tensor, weight: Tensor) -> Tensor:
    found: Tensor = _Convolution.apply(x, weight)  # type: ignore[no-untyped-call]
    return found


class _Convolution(torch.autograd.Function):
    """3 x 3 convolution; its input gets a gradient only within a layer of two convolutions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:  # noqa: ANN401  torch's own type
        ctx.save_for_backward(x, weight.to(x.dtype))
        return F.conv2d(x, weight.to(x.dtype), padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:  # noqa: ANN401
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        to_input, to_weight = ctx.needs_input_grad
        is_small = to_weight and max(x.shape[-2:]) <= _SMALL_GRID
        products = _by_products(x, gradient).float() if is_small else None
        if not (to_input or (to_weight and not is_small)):
            return None, products
        found = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            bias_sizes=None,
            stride=(1, 1),
            padding=(1, 1),
            dilation=(1, 1),
            transposed=False,
            output_padding=(0, 0),
            groups=1,
            output_mask=(to_input, to_weight and not is_small, False),
        )
        by_library = found[1].float() if found[1] is not None else None
        return found[0], by_library if products is None else products


class _NormalisedMeans(torch.autograd.Function):
    """Batch norm, ReLU and the mean over every region, as one step of autograd."""

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917  autograd hands over positions
        ctx: Any,  # noqa: ANN401
        raw: Tensor,
        weight: Tensor,
        bias: Tensor,
        norm: nn.BatchNorm2d,
        regions: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        down, across = regions
        ctx.is_share = isinstance(norm, GlobalBatchNorm2d)
        if isinstance(norm, GlobalBatchNorm2d):
            normalised, mean, inverse, ctx.count = norm.normalised(raw)
        else:
            normalised, mean, inverse = _batch_norm(raw, weight, bias, norm)
            ctx.count = raw.numel() // raw.shape[1]
        activity = normalised.relu_()
        window = raw.shape[2] // down, raw.shape[3] // across
        is_active = activity.sign()
        means, share = F.avg_pool2d(activity, window), F.avg_pool2d(is_active, window)
        ctx.save_for_backward(raw, is_active, means, share, mean, inverse, weight, bias)
        ctx.window = window
        ctx.mark_non_differentiable(activity)
        ctx.set_materialize_grads(False)
        return means.float().flatten(1), activity

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        raw, is_active, means, share, mean, inverse, weight, bias = ctx.saved_tensors
        per_region = gradients[0].view(means.shape)
        to_bias, to_activity = ((per_region * read).sum((0, 2, 3)) for read in (share, means))
        if ctx.is_share:
            to_bias, to_activity = summed(torch.stack([to_bias, to_activity])).unbind(0)
        # An active position is weight * x + bias: so the sum of x follows from the sum of y. A
        # weight of exactly 0 would hide x; it then keeps its place for a step.
        whole = to_activity - bias * to_bias
        to_weight = torch.where(weight == 0, 0.0, whole / weight)
        slope = -weight * inverse.square() * to_weight / ctx.count
        offset = -weight * inverse * to_bias / ctx.count - slope * mean
        down, across = ctx.window
        scaled = per_region * (weight * inverse / (down * across))[:, None, None]
        # In place: nobody reads the raw values again, and a fifth array of an activity's size
        # would decide the most memory that a step takes.
        to_raw = _positions(raw)
        torch.addcmul(offset.to(raw.dtype), to_raw, slope.to(raw.dtype), out=to_raw)
        _in_windows(to_raw, ctx.window).addcmul_(
            _in_windows(_positions(is_active), ctx.window),
            _positions(scaled.to(raw.dtype))[:, :, None, :, None],
        )
        return to_raw.permute(0, 3, 1, 2), to_weight, to_bias, None, None


def _batch_norm(
    raw: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise a batch; give mean and inverse deviation too, and move the running statistics."""
    norm.get_buffer("num_batches_tracked").add_(1)
    running = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    momentum = 0.1 if norm.momentum is None else norm.momentum
    return torch.native_batch_norm(
        raw, weight, bias, *running, training=True, momentum=momentum, eps=norm.eps
    )


def _positions(x: Tensor) -> Tensor:
    """See `(N, C, H, W)` as `(N, H, W, C)`, contiguous, as convolutions lay it out."""
    return x.permute(0, 2, 3, 1).contiguous()


def _in_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """See `(N, H, W, C)` as `(N, R, h, R, w, C)`."""
    down, across = window
    count, height, width, channels = x.shape
    return x.view(count, height // down, down, width // across, across, channels)


def _by_products(x: Tensor, gradient: Tensor) -> Tensor:
    """Work out the weights' gradient `(C, in_channels, 3, 3)` as a product per tap."""
    height, width = x.shape[-2:]
    padded = F.pad(_positions(x), (0, 0, 1, 1, 1, 1))
    flat = _positions(gradient).flatten(0, 2).T
    taps = [
        flat @ padded[:, row : row + height, column : column + width].flatten(0, 2)
        for row in range(3)
        for column in range(3)
    ]
    return torch.stack(taps, -1).view(*taps[0].shape, 3, 3)
