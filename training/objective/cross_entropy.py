"""The term that teaches: a layer should find the right class by itself."""

import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from training.objective.view import LayerView


def cross_entropy(view: LayerView) -> Tensor:
    """Give the mean cross-entropy of the layer's own scores, in nats.

    Source: arXiv 2606.09928.
    """
    return F.cross_entropy(view.scaled_goodness, view.labels)
