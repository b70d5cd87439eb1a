"""Learning what familiar images look like: from images learned from and validation images alone."""

from typing import NamedTuple

import torch
from torch import Tensor

from model.artifact.familiarity import PERCENTILES, FamiliarityScale
from model.network.familiarity import Familiarity, FamiliarityFit, Look, Whitened, look
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
    network: ForwardForwardNetwork, learned: Split, validation: Split
) -> Familiar:
    """Find out how familiar images look to a network.

    Args:
        network: calibrated, in evaluation mode, on the CPU.
        learned: images it learned from; the first 10,000 are looked at.
        validation: images it did not learn from.
    """
    kept = learned.take(torch.arange(min(len(learned), _MOST_LEARNED_FROM)))
    layers = tuple(
        Whitened(*_whitened(activity, kept.labels, network.spec.num_classes))
        for activity in _read(network, kept).activities
    )
    unseen = _read(network, validation)
    pairs = zip(layers, unseen.activities, strict=True)
    fit = FamiliarityFit(
        layers,
        tuple(_spread(layer(activity)) for layer, activity in pairs),
        _spread(torch.logsumexp(unseen.scores, dim=1)),
    )
    found = Familiarity(fit).eval()
    with torch.no_grad():
        scores = found(*unseen)
    steps = torch.linspace(0, 1, PERCENTILES)
    quantiles = torch.quantile(scores.double(), steps.double())
    scale = FamiliarityScale(quantiles=tuple(quantiles.tolist()), n=len(scores))
    return Familiar(found, scale, scores)


def _read(network: ForwardForwardNetwork, split: Split) -> Look:
    """Look at a split."""
    seen = []
    with torch.no_grad():
        for part in split.passes(_BATCH):
            readouts = [reading.readout for reading in network.readings(part.images)]
            seen.append(look(network, readouts, network.combined(readouts).scores))
    return Look.joined(seen)


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
