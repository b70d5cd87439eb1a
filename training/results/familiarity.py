"""Learning what familiar images look like: from images learned from and validation images alone."""

from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from model.artifact.familiarity import PERCENTILES, FamiliarityScale
from model.network.familiarity import LOOKED_AT, Familiarity, FamiliarityFit, Look, look
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
    last: Tensor | None = None,
) -> Familiar:
    """Find out how familiar images look to a network.

    Args:
        network: in evaluation mode, on the CPU.
        learned: images it learned from; the first 10,000 are looked at.
        validation: images it did not learn from.
        last: `(N, K)`, float32, the last layer's scaled goodness of those, where it is known
            already; without it the whole network is run on them.
    """
    kept = learned.take(torch.arange(min(len(learned), _MOST_LEARNED_FROM)))
    activity = _early(network, kept)
    unseen = _read(network, validation) if last is None else Look(_early(network, validation), last)
    whitening, centres = _whitened(activity, kept.labels, network.spec.num_classes)
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
    return Familiar(found, scale, scores)


def _read(network: ForwardForwardNetwork, split: Split, layers: int | None = None) -> Look:
    """Look at a split through the first so many layers, or through all."""
    seen = []
    with torch.no_grad():
        for part in split.parts(_BATCH):
            reached = islice(network.readings(part.images), layers)
            seen.append(look(network, [reading.readout for reading in reached]))
    return Look(*map(torch.cat, zip(*seen, strict=True)))


def _early(network: ForwardForwardNetwork, split: Split) -> Tensor:
    """Give a split's activity `(N, C)` where it is looked at; no later layer is run."""
    return _read(network, split, LOOKED_AT + 1).activity


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
