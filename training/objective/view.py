"""What a term of the local loss may read: one layer's own answer to one batch."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class LayerView(NamedTuple):
    """One layer's answer to one batch; nothing of any other layer is in it.

    Attributes:
        scaled_goodness: `(N, K)`, float32, class goodness times the layer's scale.
        labels: `(N,)`, int64, in `[0, K)`.
        assignment: `(D, K)`, float32, each row sums to 1.
        means: `(N, D)`, float32, the mean activity of every channel-region, or what else the
            network pools.
        standardised: `(N, D)`, float32, those means by the batch's statistics; `means` itself
            where the readout does not standardise.
        channel_means: `(N, C)`, float32, the mean of `means` over every channel's regions.
    """

    scaled_goodness: Tensor
    labels: Tensor
    assignment: Tensor
    means: Tensor
    standardised: Tensor
    channel_means: Tensor


# A term gives a scalar in which autograd finds the layer's parameters.
Term = Callable[[LayerView], Tensor]
