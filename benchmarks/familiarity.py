"""Can a network tell what it has not learned? Its familiarity beside post-hoc methods.

    python -m benchmarks.familiarity RUN --other cifar100:DATA fashion-mnist:DATA [--images 10000]

The familiar images are the run's test images. No method sees the others before it is measured.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from benchmarks.drawn import drawn
from model.network.familiarity import Look, look
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split
from training.data.load import load_dataset
from training.data.split import split_validation
from training.results.familiarity import learn_familiarity
from training.results.run import Run

_BATCH = 250
_LEARNED, _NEIGHBOURS, _CLIPPED = 10_000, 10, 0.9


class Seen(NamedTuple):
    """What a network computes of N images.

    Attributes:
        goodness: `(N, L, K)`, float32.
        look: what familiarity is read from.
        last: `(N, D)`, float32, standardised activity of the last layer.
    """

    goodness: Tensor
    look: Look
    last: Tensor


# Gives `(N,)`, higher for what is more familiar.
Method = Callable[[Seen], Tensor]


def see(network: ForwardForwardNetwork, images: Tensor) -> Seen:
    """Run a network in evaluation mode on `(N, H, W, 3)` uint8 images."""
    goodness, looks, last = [], [], []
    with torch.no_grad():
        for part in torch.split(images, _BATCH):
            readouts = [reading.readout for reading in network.readings(part)]
            goodness.append(torch.stack([each.scaled_goodness for each in readouts], 1))
            looks.append(look(network, readouts, network.combine(goodness[-1]).scores))
            last.append(readouts[-1].standardised)
    return Seen(torch.cat(goodness), Look.joined(looks), torch.cat(last))


def methods(
    network: ForwardForwardNetwork, learned: Split, validation: Split
) -> Mapping[str, Method]:
    """Name the methods, fitted on images learned from and validation images alone."""
    familiar = learn_familiarity(network, learned, validation).network
    seen = see(network, learned.images[:_LEARNED])
    labels = learned.labels[:_LEARNED]
    with torch.no_grad():
        readout = network.layers()[-1].class_weights()

    def familiarity(of: Seen) -> Tensor:
        with torch.no_grad():
            found: Tensor = familiar(*of.look)
        return found

    limit = torch.quantile(seen.last[:1000].flatten(), _CLIPPED)
    return {
        "**familiarity**": familiarity,
        "maximum softmax probability": lambda s: torch.softmax(s.look.scores, 1).amax(1),
        "energy of all layers": lambda s: torch.logsumexp(s.look.scores, 1),
        "energy of the last layer": lambda s: torch.logsumexp(s.goodness[:, -1], 1),
        "ReAct, last layer": lambda s: torch.logsumexp(s.last.clamp_max(limit) @ readout, 1),
        "Mahalanobis, last layer": _mahalanobis(seen.last, labels),
        "k nearest neighbours, last layer": _neighbours(seen.last),
        "ViM, last layer": _virtual_logit(seen, readout),
    }


def auroc(familiar: Tensor, strange: Tensor) -> float:
    """Give the probability that a familiar image scores higher than a strange one.

    Equals count half.
    """
    order = strange.sort().values
    sought = familiar.contiguous()
    below = torch.searchsorted(order, sought).double()
    at_most = torch.searchsorted(order, sought, right=True).double()
    return float((below + at_most).mean() / (2 * len(strange)))


def flagged(familiar: Tensor, strange: Tensor) -> float:
    """Give the part of strange images below the fifth percentile of the familiar ones."""
    return float((strange < torch.quantile(familiar, 0.05)).float().mean())


def _mahalanobis(learned: Tensor, labels: Tensor) -> Method:
    """Source: Lee et al. (NeurIPS 2018)."""
    classes = torch.unique(labels)
    means = torch.stack([learned[labels == k].mean(0) for k in classes])
    place = torch.searchsorted(classes, labels)
    within = learned - means[place]
    covariance = within.T @ within / len(within)
    covariance += 0.01 * covariance.diagonal().mean() * torch.eye(len(covariance))
    whitening = torch.linalg.cholesky(torch.linalg.inv(covariance))
    centres = means @ whitening
    return lambda seen: -torch.cdist(seen.last @ whitening, centres).amin(1)


def _neighbours(learned: Tensor) -> Method:
    """Source: Sun et al. (ICML 2022)."""
    bank = F.normalize(learned, dim=1)

    def nearness(seen: Seen) -> Tensor:
        likeness = F.normalize(seen.last, dim=1) @ bank.T
        return likeness.topk(_NEIGHBOURS, 1).values[:, -1]

    return nearness


def _virtual_logit(seen: Seen, readout: Tensor) -> Method:
    """Source: Wang et al. (CVPR 2022); the principal space keeps half of the directions."""
    directions = torch.linalg.eigh(seen.last.T @ seen.last / len(seen.last)).eigenvectors
    rest = directions[:, : directions.shape[1] // 2]
    logits = seen.last @ readout
    scale = logits.amax(1).mean() / (seen.last @ rest).norm(dim=1).mean()
    return lambda of: torch.logsumexp(of.last @ readout, 1) - scale * (of.last @ rest).norm(dim=1)


def fitted(images: Tensor, height: int, width: int) -> Tensor:
    """Bring images to the network's size: padded with black, or cut to the middle."""
    down, across = height - images.shape[1], width - images.shape[2]
    pads = (0, 0, across // 2, across - across // 2, down // 2, down - down // 2)
    return F.pad(images, pads)


def lines(
    ways: Mapping[str, Method], familiar: Seen, others: Mapping[str, Seen], n: int
) -> Iterator[str]:
    """Write the table: AUROC, and the part found unfamiliar at the fifth percentile."""
    yield "| AUROC (found at 5 %) | " + " | ".join(others) + " |"
    yield "|---|" + "---|" * len(others)
    for name, way in ways.items():
        base = way(familiar)
        cells = [(auroc(base, way(each)), flagged(base, way(each))) for each in others.values()]
        yield f"| {name} | " + " | ".join(f"{a:.3f} ({f:.0%})" for a, f in cells) + " |"
    yield f"\nn = {n} familiar images"


def main() -> None:
    """Measure every method on a run's network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--other", nargs="*", default=[], help="data sets, KIND:PATH")
    parser.add_argument("--images", type=int, default=10_000, help="of each, at most")
    given = parser.parse_args()
    settings = Run(given.run).settings()
    network = Run(given.run).load_model().network.eval()
    data = load_dataset(settings.data, settings.run.seed)
    kept = split_validation(data, settings.data.validation_fraction, settings.run.seed)
    size = network.spec.image_height, network.spec.image_width
    others = dict(drawn(*size))
    for source in given.other:
        asked = settings.data.model_copy(update={"source": source})
        found = load_dataset(asked, settings.run.seed).test.images[: given.images]
        others[asked.source if asked.kind in others else asked.kind] = fitted(found, *size)
    familiar = see(network, data.test.images[: given.images])
    seen = {name: see(network, images) for name, images in others.items()}
    ways = methods(network, *kept)
    print("\n".join(lines(ways, familiar, seen, len(familiar.goodness))))


if __name__ == "__main__":
    main()
