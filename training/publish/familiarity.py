"""Learning what familiar images look like: from images learned from and validation images alone."""

from typing import NamedTuple

import torch
from torch import Tensor

from model.artifact.familiarity import PERCENTILES, FamiliarityScale
from model.network.familiarity import (
    Familiarity,
    FamiliarityFit,
    Look,
    look,
)
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split

_BATCH = 250
# More change the statistics of a few hundred channels by less than a hundredth.
_MOST_LEARNED_FROM = 10_000
_SHRINKAGE = 0.01
# Those of least variance, in which strange images stand out; more cost size and time alone.
_MOST_DIRECTIONS = 128


class Familiar(NamedTuple):
    """What scores images, and how validation images score.

    Attributes:
        network: gives the score.
        scale: the validation images' percentiles.
    """

    network: Familiarity
    scale: FamiliarityScale


def learn_familiarity(
    network: ForwardForwardNetwork, learned: Split, validation: Split
) -> Familiar:
    """Find out how familiar images look to a network.

    Args:
        network: in evaluation mode, on the CPU.
        learned: images it learned from; the first 10,000 are looked at.
        validation: images it did not learn from.
    """
    kept = learned.take(torch.arange(min(len(learned), _MOST_LEARNED_FROM)))
    seen, unseen = _read(network, kept), _read(network, validation)
    whitening, centres = _whitened(seen.activity, kept.labels, network.spec.num_classes)
    unscaled = Familiarity(FamiliarityFit(whitening, centres, (0.0, 1.0), (0.0, 1.0)))
    fit = FamiliarityFit(
        whitening,
        centres,
        _spread(torch.logsumexp(unseen.last, dim=1)),
        _spread(unscaled.distance(unseen.activity)),
    )
    found = Familiarity(fit).eval()
    with torch.no_grad():
        scores = found(*unseen)
    steps = torch.linspace(0, 1, PERCENTILES)
    quantiles = torch.quantile(scores.double(), steps.double())
    scale = FamiliarityScale(quantiles=tuple(quantiles.tolist()), n=len(scores))
    return Familiar(found, scale)


def _read(network: ForwardForwardNetwork, split: Split) -> Look:
    seen = []
    with torch.no_grad():
        for part in split.parts(_BATCH):
            readouts = [block.read(found) for block, found in network.activities(part.images)]
            seen.append(look(network, readouts))
    return Look(*map(torch.cat, zip(*seen, strict=True)))


def _whitened(activity: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Give the whitening `(C, E)` of what is left within classes, and the centres `(K, E)`."""
    means = torch.stack([_mean(activity, labels == k) for k in range(num_classes)])
    within = (activity - means[labels]).double()
    covariance = within.T @ within / len(within)
    size = max(float(covariance.diagonal().mean()), 1e-12)
    covariance += _SHRINKAGE * size * torch.eye(len(covariance), dtype=torch.float64)
    variances, directions = torch.linalg.eigh(covariance)
    kept = slice(0, _MOST_DIRECTIONS)
    whitening = (directions[:, kept] / variances[kept].sqrt()).float()
    return whitening, means @ whitening


def _mean(activity: Tensor, chosen: Tensor) -> Tensor:
    """Average the chosen rows; where there is none, all of them."""
    return activity[chosen].mean(0) if chosen.any() else activity.mean(0)


def _spread(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), max(float(values.std()), 1e-6)
