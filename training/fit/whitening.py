"""Filters that need no learning: the principal directions of small patches, each scaled to 1."""

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split

# Enough to know 27 x 27 covariances: a million patches of pictures of 32 x 32.
_LOOKED_AT = 1000
_AT_ONCE = 100
# Below this, in variances of a pixel, a direction is taken for noise and not scaled up.
_NOISE = 5e-3
# A direction that has less than this part of the strongest one's variance is not there: in grey
# pictures those between colours.
_NOTHING = 1e-9


def whiten_stem(network: ForwardForwardNetwork, images: Split) -> None:
    """Give the first convolution filters that whiten its patches, and let it learn no more.

    Half of the filters are the negatives of the others, so that ReLU loses nothing. Where there
    are more channels than directions and their negatives, as for grey pictures, the others are
    random mixtures of the directions, by what was drawn for them, and so of variance 1 at most.

    Args:
        network: with its pixel statistics.
        images: some of them are looked at, at even distances.

    Source: Jordan, 94 % on CIFAR-10 in 3.29 seconds on a single GPU (arXiv 2404.00498), after
        Page (2019), who whiten patches of 2 x 2 and 3 x 3.
    """
    conv, norm = network.layers()[0].convolved()[0]
    filters = whitening_filters(_patch_covariance(network, images))
    if len(filters):
        signed = torch.stack([filters, -filters], 1).flatten(0, 1)
        drawn = conv.weight.detach()[len(signed) :].flatten(1)[:, : len(filters)]
        mixtures = F.normalize(drawn, dim=1) @ filters.flatten(1)
        chosen = torch.cat([signed, mixtures.view(-1, *signed.shape[1:])])[: len(conv.weight)]
        with torch.no_grad():
            conv.weight.copy_(chosen)
    for module in (conv, norm):
        module.requires_grad_(requires_grad=False)


def whitening_filters(covariance: Tensor) -> Tensor:
    """Give the principal directions of patches, over the deviations along them.

    Args:
        covariance: `(3 * 3 * 3, 3 * 3 * 3)` of patches, colours first.

    Returns:
        `(F, 3, 3, 3)`, float32, F at most 27, the strongest first; each has its largest entry
        above 0.
    """
    variances, directions = torch.linalg.eigh(covariance.double())
    filters = (directions / (variances + _NOISE).sqrt()).T
    filters = filters[variances > _NOTHING * variances.max()].flip(0)
    # A solver may give either sign: the same pictures are to give the same network.
    largest = filters.gather(1, filters.abs().argmax(1, keepdim=True))
    signed: Tensor = filters * largest.sign()
    return signed.float().view(-1, 3, 3, 3)


def _patch_covariance(network: ForwardForwardNetwork, images: Split) -> Tensor:
    """Average the products of a patch's pixels: `(27, 27)`, float64."""
    number = min(len(images), _LOOKED_AT)
    chosen = images.take(torch.linspace(0, len(images) - 1, number).round().long())
    total, count = torch.zeros(27, 27, dtype=torch.float64), 0
    for part in chosen.parts(_AT_ONCE):
        patches = F.unfold(network.normalised(part.images), 3, padding=1)
        rows = patches.transpose(1, 2).flatten(0, 1).double()
        total += rows.T @ rows
        count += len(rows)
    return total / count
