"""Reading a network on a split: how often it and its layers are right."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.assignment import assignment_entropy
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split
from training.results.answers import SplitAnswers
from training.results.evidence import evidence_maps
from training.results.examples import Examples, choose, shrunk
from training.results.familiarity import Familiar
from training.results.report import LayerReport, SplitReport

# What a shallow layer makes of 100 images of 32 x 32 stays in a processor's cache: 1.4 times as
# fast as 500 at once (one thread of a Xeon with 36 MB).
_BATCH = 100


def read_goodness(
    network: ForwardForwardNetwork, split: Split, device: torch.device, *, as_is: bool = False
) -> Tensor:
    """Score every image of a split by each layer alone, in evaluation mode and in float32.

    Args:
        network: on the device.
        split: the images.
        device: the network's.
        as_is: whether to leave mirror images out where the network has them.

    Returns:
        `(N, L, K)`, float32, on the CPU.
    """
    network.eval()
    with torch.no_grad():
        batches = (part.images.to(device) for part in split.passes(_BATCH))
        found = [network.scaled_goodness(images, as_is=as_is).cpu() for images in batches]
        return torch.cat(found)


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
    counts = labels.bincount(minlength=probabilities.shape[1]).tolist()
    per_class = tuple(
        _share(right[labels == k]) if count else None for k, count in enumerate(counts)
    )
    known = [share for share in per_class if share is not None]
    return SplitReport(
        n=len(labels),
        # A probability may underflow to 0, whose logarithm JSON could not store.
        loss=F.nll_loss(probabilities.clamp_min(1e-12).log(), labels).item(),
        accuracy=_share(right),
        per_class=per_class,
        per_layer=tuple(_share(layer.argmax(1) == labels) for layer in goodness.unbind(1)),
        images_per_class=tuple(counts),
        # Rounding may lift a mean of ones above 1.
        balanced_accuracy=min(1.0, sum(known) / len(known)),
        majority_accuracy=max(counts) / len(labels),
    )


def answers_on(network: ForwardForwardNetwork, goodness: Tensor, labels: Tensor) -> SplitAnswers:
    """Keep the scores of a split's images; arguments as for `report_on`."""
    return SplitAnswers(network.combine(goodness).scores.numpy(), labels.numpy())


def examples_of(
    network: ForwardForwardNetwork, goodness: Tensor, split: Split, familiar: Familiar
) -> Examples:
    """Choose images of a split that are worth a look, and keep small pictures of them.

    Args:
        network: calibrated, on the CPU.
        goodness: `(N, L, K)`, as `read_goodness` gave it.
        split: whose images they are.
        familiar: learned with this split as the validation images.
    """
    said = network.combine(goodness)
    probabilities, scores = said.probabilities.numpy(), said.scores.numpy()
    chosen = choose(probabilities, scores, split.labels.numpy(), familiar.scores.numpy())
    places = torch.tensor([place for _, place in chosen], dtype=torch.int64)
    shown = split.take(places)
    pictures = shrunk(shown.images.numpy())
    answers = torch.from_numpy(probabilities.argmax(1))[places]
    percentiles = map(familiar.scale.percentile, familiar.scores[places].tolist())
    return Examples(
        kinds=np.array([kind for kind, _ in chosen], dtype=np.str_),
        places=places.numpy(),
        pictures=pictures,
        contributions=said.contributions[places].numpy(),
        familiarity=np.fromiter(percentiles, np.float32, len(places)),
        evidence=evidence_maps(network, shown, answers, pictures.shape[1:3]),
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
