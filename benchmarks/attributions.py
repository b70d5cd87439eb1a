"""Ways to say which pixels speak for a class: the network's own evidence, and others beside it."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from model.artifact.spread import Spread, spread
from model.network.evidence import EvidenceNetwork
from model.network.stack import ForwardForwardNetwork
from training.compare.backprop import connected

# Maps `(N, H, W)`, float32, for images `(N, H, W, 3)`, uint8, and classes `(N,)`, int64.
Attribute = Callable[[Tensor, Tensor], Tensor]
_STEPS = 50
_OCCLUDED, _STRIDE = 8, 4


def attributions(network: ForwardForwardNetwork) -> Mapping[str, Attribute]:
    """Name the ways that are compared, for a network in evaluation mode.

    Raises:
        ValueError: the network reads mirror images, which the other methods do not.
    """
    if network.spec.mirrored:
        message = "a network with --mirrored cannot be compared: the other methods see one view"
        raise ValueError(message)
    last = len(network.layers()) - 1
    return {
        "evidence, smooth": lambda x, k: _evidence(network, x, k, "smooth"),
        "evidence, even": lambda x, k: _evidence(network, x, k, "even"),
        "evidence, last layer": lambda x, k: _evidence(network, x, k, "smooth", last),
        "Grad-CAM, last layer": lambda x, k: _grad_cam(network, x, k),
        "Integrated Gradients": lambda x, k: _integrated(network, x, k),
        "chance": lambda x, _: torch.rand(x.shape[:3], generator=torch.Generator().manual_seed(0)),
    }


def occlusion(network: ForwardForwardNetwork, images: Tensor, classes: Tensor) -> Tensor:
    """Say how much the score falls where a square is painted in the mean colour.

    Returns:
        `(N, R, R)`, float32: the fall for an 8 x 8 square at every fourth pixel.
    """
    mean = (network.get_buffer("pixel_mean") * 255).round().to(torch.uint8)
    whole = scores_of(network, images, classes)
    size = images.shape[1]
    places = range(0, size - _OCCLUDED + 1, _STRIDE)
    falls = []
    for row in places:
        for column in places:
            painted = images.clone()
            painted[:, row : row + _OCCLUDED, column : column + _OCCLUDED] = mean
            falls.append(whole - scores_of(network, painted, classes))
    return torch.stack(falls, 1).view(-1, len(places), len(places))


def in_squares(maps: Tensor) -> Tensor:
    """Sum maps `(N, H, W)` over the squares that `occlusion` paints: `(N, R, R)`."""
    return F.avg_pool2d(maps[:, None], _OCCLUDED, _STRIDE)[:, 0] * _OCCLUDED**2


def scores_of(network: ForwardForwardNetwork, images: Tensor, classes: Tensor) -> Tensor:
    """Give the score of each image's class: `(N,)`, float32."""
    with torch.no_grad():
        scores: Tensor = network(images).scores
        return scores.gather(1, classes[:, None])[:, 0]


def _evidence(
    network: ForwardForwardNetwork,
    images: Tensor,
    classes: Tensor,
    kind: Spread,
    layer: int | None = None,
) -> Tensor:
    asked = F.one_hot(classes, network.spec.num_classes).float()[:, None]
    with torch.no_grad():
        maps = EvidenceNetwork(network)(images, asked, torch.zeros_like(asked)).maps
    size = images.shape[1], images.shape[2]
    chosen = maps if layer is None else (maps[layer],)
    found: Tensor = torch.from_numpy(
        np.sum([spread(each[:, 0].numpy(), *size, kind) for each in chosen], axis=0)
    )
    return found


def _grad_cam(network: ForwardForwardNetwork, images: Tensor, classes: Tensor) -> Tensor:
    """Weigh the last layer's channels by their mean gradient; below 0 counts as 0.

    Source: Selvaraju et al. (ICCV 2017).
    """
    block, activity = list(network.activities(images))[-1]
    activity = activity.detach().requires_grad_()
    score = block.read(activity).scaled_goodness.gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, activity)
    weights = gradient.mean((2, 3), keepdim=True)
    map_ = F.relu((weights * activity).sum(1, keepdim=True)).detach()
    return F.interpolate(map_, size=images.shape[1:3], mode="bilinear")[:, 0]


def _integrated(network: ForwardForwardNetwork, images: Tensor, classes: Tensor) -> Tensor:
    """Integrate the gradient from the mean colour to the image, summed over colours.

    Source: Sundararajan et al. (ICML 2017), by Captum.
    """
    from captum.attr import IntegratedGradients  # noqa: PLC0415  an extra

    pixels = network.normalised(images).contiguous()
    method = IntegratedGradients(lambda x: _attached(network, x))
    parts = method.attribute(pixels, target=classes, n_steps=_STEPS, internal_batch_size=250)
    found: Tensor = parts.sum(1).detach().float()
    return found


def _attached(network: ForwardForwardNetwork, x: Tensor) -> Tensor:
    """Score standardised pixels `(N, 3, H, W)` as the network does, gradients crossing layers."""
    goodness = []
    for block in network.layers():
        activity, x = connected(block, x)
        goodness.append(block.read(activity).scaled_goodness)
    return network.combine(torch.stack(goodness, dim=1)).scores
