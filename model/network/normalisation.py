"""How a block's input is standardised."""

import torch
from torch import Tensor, nn

from model.network.spec import BlockSpec

_EPSILON = 1e-5
_POSITIONS, _ALL = (2, 3), (1, 2, 3)


class ImageNorm(nn.Module):
    """Standardises over some axes of each image by itself; nothing is learned or remembered.

    Source: over channels and positions, the layer norm of DeeperForward (ICLR 2025); over the
        positions of each channel, the instance norm of arXiv 2606.09928's code.
    """

    def __init__(self, axes: tuple[int, ...]) -> None:
        """Name the axes of `(N, C, H, W)`."""
        super().__init__()
        self._axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Standardise `(N, C, H, W)`, in float32 whatever its dtype, which comes back."""
        # Written out: torch's own instance norm exports only for a fixed batch.
        wide = x.float()
        centred = wide - wide.mean(self._axes, keepdim=True)
        variance = centred.square().mean(self._axes, keepdim=True)
        return (centred * torch.rsqrt(variance + _EPSILON)).to(x.dtype)


def input_norm(spec: BlockSpec) -> nn.Module:
    """Give the norm of a block's input; by running statistics, pixels come standardised."""
    if spec.input_norm == "batch":
        return nn.Identity() if spec.is_stem else nn.BatchNorm2d(spec.in_channels, affine=False)
    # The colours of an image belong together: an image is standardised as a whole.
    return ImageNorm(_ALL if spec.is_stem or spec.input_norm == "layer" else _POSITIONS)
