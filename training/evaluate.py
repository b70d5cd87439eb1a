"""Reading a network on a split: calibration on validation, accuracy on anything."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.goodness import layer_contributions
from model.network.stack import ForwardForwardNetwork
from training.data import Split

_BATCH = 500
# The best one is taken on the validation split; the last weighs all layers nearly alike.
_CONTRIBUTION_TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 100.0)


@dataclass(frozen=True)
class Calibration:
    """What the validation split decides.

    Attributes:
        layer_weights: `(L,)`, float32, the loss-aware layer contributions, summing to 1.
        contribution_temperature: T of their softmax, in nats.
        temperature: of the probabilities.
        layer_losses: `(L,)`, each layer's cross-entropy alone, in nats.
    """

    layer_weights: Tensor
    contribution_temperature: float
    temperature: float
    layer_losses: Tensor


def read_goodness(network: ForwardForwardNetwork, split: Split, device: torch.device) -> Tensor:
    """Score every image of a split by each layer alone, in evaluation mode and in float32.

    Returns:
        `(N, L, K)`, float32, on the CPU.
    """
    network.eval()
    rows = []
    with torch.no_grad():
        for start in range(0, len(split), _BATCH):
            images = split.images[start : start + _BATCH].to(device)
            rows.append(network.scaled_goodness(images).cpu())
    return torch.cat(rows)


def calibrate(goodness: Tensor, labels: Tensor) -> Calibration:
    """Choose layer contributions and temperature by validation loss.

    Args:
        goodness: `(N, L, K)`, the layers' scaled goodness on validation.
        labels: `(N,)`, int64.

    Returns:
        The contributions whose combined score, at its best temperature, has the least
        cross-entropy.

    Source: loss-aware layer contributions after arXiv 2606.09928; the softmax of the losses
        and the choice of its temperature are ours. Temperature scaling after Guo et al.
        (ICML 2017).
    """
    losses = torch.stack([F.cross_entropy(layer, labels) for layer in goodness.unbind(1)])
    tried = []
    for candidate in _CONTRIBUTION_TEMPERATURES:
        weights = layer_contributions(losses, candidate)
        scores = torch.einsum("l,nlk->nk", weights, goodness)
        temperature = best_temperature(scores, labels)
        loss = F.cross_entropy(scores / temperature, labels).item()
        tried.append((loss, Calibration(weights, candidate, temperature, losses)))
    return min(tried, key=lambda pair: pair[0])[1]


def best_temperature(scores: Tensor, labels: Tensor) -> float:
    """Find the temperature at which the probabilities have the least cross-entropy.

    Args:
        scores: `(N, K)`.
        labels: `(N,)`, int64.

    Returns:
        Between 1/50 and 50: the loss is convex in the inverse, so bisection by the sign of
        its slope finds the one minimum.
    """
    scores = scores.double()
    low, high = 1 / 50, 50.0
    for _ in range(60):
        inverse = torch.tensor((low * high) ** 0.5, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(F.cross_entropy(scores * inverse, labels), inverse)
        low, high = (low, inverse.item()) if slope > 0 else (inverse.item(), high)
    return float(1 / (low * high) ** 0.5)


def accuracy_report(
    network: ForwardForwardNetwork, goodness: Tensor, labels: Tensor
) -> dict[str, Any]:
    """Say how often the network and each of its layers is right.

    Args:
        network: calibrated.
        goodness: `(N, L, K)`, as `read_goodness` gave it.
        labels: `(N,)`, int64.

    Returns:
        `n`, `loss` in nats, and fractions `accuracy`, `per_class` (None for a class without
        images) and `per_layer`.
    """
    answer = network.combine(goodness.to(network.get_buffer("layer_weights").device))
    probabilities = answer.probabilities.cpu()
    right = probabilities.argmax(1) == labels
    per_class = [
        right[labels == k].double().mean().item() if (labels == k).any() else None
        for k in range(probabilities.shape[1])
    ]
    return {
        "n": len(labels),
        "loss": F.nll_loss(probabilities.clamp_min(1e-12).log(), labels).item(),
        "accuracy": right.double().mean().item(),
        "per_class": per_class,
        "per_layer": [
            (layer.argmax(1) == labels).double().mean().item() for layer in goodness.unbind(1)
        ],
    }
