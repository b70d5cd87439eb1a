"""The term that teaches: a layer should find the right class by itself."""

import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from training.objective.view import LayerView


def cross_entropy(view: LayerView, smoothing: float = 0.0) -> Tensor:
    """Give the mean cross-entropy of the layer's own scores, in nats.

    Args:
        view: of the layer.
        smoothing: the part of the label that is dealt out to all classes, 0 to 1.

    Source: arXiv 2606.09928; label smoothing after Szegedy et al. (CVPR 2016).
    """
    return F.cross_entropy(view.scaled_goodness, view.labels, label_smoothing=smoothing)
