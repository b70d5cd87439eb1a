"""Learning what familiar images look like: from images learned from and validation images alone."""

from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from model.artifact.familiarity import PERCENTILES, FamiliarityScale
from model.network.familiarity import (
    LOOKED_AT,
    Familiarity,
    FamiliarityFit,
    early_activity,
    sharpened,
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
        scores: `(N,)`, float32, of the validation images.
    """

    network: Familiarity
    scale: FamiliarityScale
    scores: Tensor


def learn_familiarity(
    network: ForwardForwardNetwork,
    learned: Split,
    validation: Split,
    goodness: Tensor | None = None,
) -> Familiar:
    """Find out how familiar images look to a network.

    Args:
        network: calibrated, in evaluation mode, on the CPU.
        learned: images it learned from; the first 10,000 are looked at.
        validation: images it did not learn from.
        goodness: `(N, L, K)`, float32, the layers' scaled goodness of those, where it is known
            already; without it the whole network is run on them.
    """
    kept = learned.take(torch.arange(min(len(learned), _MOST_LEARNED_FROM)))
    activity, _ = _read(network, kept, LOOKED_AT + 1)
    if goodness is None:
        unseen, goodness = _read(network, validation)
    else:
        unseen, _ = _read(network, validation, LOOKED_AT + 1)
    scores = sharpened(network, network.combine(goodness).scores)
    whitening, centres = _whitened(activity, kept.labels, network.spec.num_classes)
    unscaled = Familiarity(FamiliarityFit(whitening, centres, (0.0, 1.0), (0.0, 1.0)))
    fit = FamiliarityFit(
        whitening,
        centres,
        _spread(torch.logsumexp(scores, dim=1)),
        _spread(unscaled.distance(unseen)),
    )
    found = Familiarity(fit).eval()
    with torch.no_grad():
        familiarity = found(unseen, scores)
    steps = torch.linspace(0, 1, PERCENTILES)
    quantiles = torch.quantile(familiarity.double(), steps.double())
    scale = FamiliarityScale(quantiles=tuple(quantiles.tolist()), n=len(familiarity))
    return Familiar(found, scale, familiarity)


def _read(
    network: ForwardForwardNetwork, split: Split, layers: int | None = None
) -> tuple[Tensor, Tensor]:
    """Give a split's early activity `(N, C)` and goodness `(N, L, K)`, of so many layers or all."""
    activity, goodness = [], []
    with torch.no_grad():
        for part in split.parts(_BATCH):
            reached = islice(network.readings(part.images), layers)
            readouts = [reading.readout for reading in reached]
            activity.append(early_activity(network, readouts))
            goodness.append(torch.stack([each.scaled_goodness for each in readouts], dim=1))
    return torch.cat(activity), torch.cat(goodness)


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
    # Of a single image there is no spread, and torch would give NaN.
    deviation = float(values.std()) if len(values) > 1 else 0.0
    return float(values.mean()), max(deviation, 1e-6)
