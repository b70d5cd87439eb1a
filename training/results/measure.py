"""Reading a network on a split: how often it and its layers are right."""

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.assignment import assignment_entropy
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split
from training.results.report import LayerReport, SplitReport

_BATCH = 500


def read_goodness(network: ForwardForwardNetwork, split: Split, device: torch.device) -> Tensor:
    """Score every image of a split by each layer alone, in evaluation mode and in float32.

    Returns:
        `(N, L, K)`, float32, on the CPU.
    """
    network.eval()
    with torch.no_grad():
        batches = (part.images.to(device) for part in split.parts(_BATCH))
        return torch.cat([network.scaled_goodness(images).cpu() for images in batches])


def report_on(network: ForwardForwardNetwork, goodness: Tensor, labels: Tensor) -> SplitReport:
    """Say how often the network and each of its layers is right.

    Args:
        network: calibrated.
        goodness: `(N, L, K)`, as `read_goodness` gave it.
        labels: `(N,)`, int64.
    """
    answer = network.combine(goodness.to(network.get_buffer("layer_weights").device))
    probabilities = answer.probabilities.cpu()
    right = probabilities.argmax(1) == labels
    return SplitReport(
        n=len(labels),
        # A probability may underflow to 0, whose logarithm JSON could not store.
        loss=F.nll_loss(probabilities.clamp_min(1e-12).log(), labels).item(),
        accuracy=_share(right),
        per_class=tuple(
            _share(right[labels == k]) if (labels == k).any() else None
            for k in range(probabilities.shape[1])
        ),
        per_layer=tuple(_share(layer.argmax(1) == labels) for layer in goodness.unbind(1)),
    )


def layer_reports(network: ForwardForwardNetwork) -> tuple[LayerReport, ...]:
    """Describe every layer of a network, first to last."""
    with torch.no_grad():
        return tuple(
            LayerReport(
                name=block.spec.name,
                channels=block.spec.channels,
                assignment_entropy=assignment_entropy(block.assignment()).item(),
            )
            for block in network.layers()
        )


def _share(right: Tensor) -> float:
    return right.double().mean().item()
