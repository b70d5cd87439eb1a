"""What the validation split decides: layer weights and temperature."""

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.stack import layer_weights
from training.results.report import Calibration

# The best one is taken on the validation split; the last weighs all layers nearly alike.
_LAYER_WEIGHT_TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 100.0)


def calibrate(goodness: Tensor, labels: Tensor) -> Calibration:
    """Choose layer weights and temperature by validation loss.

    Args:
        goodness: `(N, L, K)`, the layers' scaled goodness on validation.
        labels: `(N,)`, int64.

    Returns:
        The layer weights whose combined score, at its best temperature, has the least
        cross-entropy.

    Source: layer weights by loss after arXiv 2606.09928; the softmax of the losses and the
        choice of its temperature are ours. Temperature scaling after Guo et al. (ICML 2017).
    """
    losses = torch.stack([F.cross_entropy(layer, labels) for layer in goodness.unbind(1)])
    tried = [
        _tried(candidate, losses, goodness, labels) for candidate in _LAYER_WEIGHT_TEMPERATURES
    ]
    return min(tried, key=lambda pair: pair[0])[1]


def best_temperature(scores: Tensor, labels: Tensor) -> float:
    """Find the temperature at which the probabilities have the least cross-entropy.

    Of a few images that would be any: so its logarithm is believed to be about 0, give or take 1,
    which thousands of images outweigh.

    Args:
        scores: `(N, K)`.
        labels: `(N,)`, int64.

    Returns:
        Between 1/50 and 50, by bisection over the sign of the slope: the cross-entropy is convex in
        the inverse, so it has one minimum.
    """
    scores = scores.double()
    low, high = 1 / 50, 50.0
    for _ in range(60):
        inverse = torch.tensor((low * high) ** 0.5, dtype=torch.float64, requires_grad=True)
        belief = inverse.log().square() / (2 * len(labels))
        loss = F.cross_entropy(scores * inverse, labels) + belief
        (slope,) = torch.autograd.grad(loss, inverse)
        low, high = (low, inverse.item()) if slope > 0 else (inverse.item(), high)
    return float(1 / (low * high) ** 0.5)


def _tried(
    candidate: float, losses: Tensor, goodness: Tensor, labels: Tensor
) -> tuple[float, Calibration]:
    """Weigh the layers at one temperature; give the loss of the result, and the result."""
    weights = layer_weights(losses, candidate)
    scores = torch.einsum("l,nlk->nk", weights, goodness)
    temperature = best_temperature(scores, labels)
    loss = F.cross_entropy(scores / temperature, labels).item()
    # float32 to float and back loses no bit: the network is given these very weights.
    return loss, Calibration(
        loss_per_layer=tuple(losses.tolist()),
        layer_weights=tuple(weights.tolist()),
        layer_weight_temperature=candidate,
        temperature=temperature,
    )
