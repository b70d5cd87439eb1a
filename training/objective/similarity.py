"""The term that makes images of one class alike in what the layer is active in."""

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from training.objective.view import LayerView


def similarity(view: LayerView) -> Tensor:
    """Give the distance between the images' likeness in activity and in class.

    Two images are alike by the cosine of their channels' mean activities, centred over the
    channels; they should be as alike as their centred one-hot labels are.

    Returns:
        A scalar: the mean over all pairs of the squared difference, 0 to 4.

    Source: similarity matching after Nokland and Eidnes (ICML 2019), who compare the spread over
        positions of an auxiliary convolution; reading the goodness itself, without a network
        beside the layer, is ours.
    """
    labels = F.one_hot(view.labels, view.scaled_goodness.shape[1]).float()
    return (_likeness(view.channel_means) - _likeness(labels)).square().mean()


def _likeness(features: Tensor) -> Tensor:
    """Give the cosines `(N, N)` between rows `(N, F)`, centred each."""
    centred = F.normalize(features - features.mean(1, keepdim=True), dim=1)
    return torch.matmul(centred, centred.T)
