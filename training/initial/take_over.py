"""A new network that begins with layers which were trained before."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.network.block import ForwardForwardBlock
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split
from training.errors import ConfigError
from training.initial.read import PARTS, TrainedLayers

# Enough to know a channel's mean and spread to one part in a hundred.
_LOOKED_AT = 1000
_AT_ONCE = 100


def take_over(
    network: ForwardForwardNetwork, trained: TrainedLayers, images: Split, freeze: int
) -> int:
    """Give a network's first layers the weights of trained ones, as far as they fit.

    A layer fits if its convolution and its norms have the same shapes. Its readout stays as drawn:
    it speaks of other classes, or of a grid of another size.

    Args:
        network: as drawn; its pixel statistics become the trained network's.
        trained: the layers.
        images: some to look at, where the norms of layers that go on learning were folded.
        freeze: how many first layers do not go on learning; what they compute is not touched.

    Returns:
        How many layers were taken over.

    Raises:
        ConfigError: none fits, or fewer than are to be frozen.
    """
    network.set_pixel_statistics(trained.pixel_mean, trained.pixel_deviation)
    fitting = _fitting(network, trained)
    if fitting < max(1, freeze):
        wanted = f"{freeze} are to be frozen" if freeze else "none has the shape of a trained one"
        message = f"{fitting} first layers can be taken over, but {wanted}; leave the widths alone"
        raise ConfigError(message)
    for block, layer in zip(network.layers()[:fitting], trained.layers, strict=False):
        block.load_state_dict(layer, strict=False)
    if trained.is_folded:
        _unfold(network, images.first(_LOOKED_AT), range(freeze, fitting))
    return fitting


def _fitting(network: ForwardForwardNetwork, trained: TrainedLayers) -> int:
    """Count the first layers whose tensors all have the shapes of the trained ones."""
    for number, block in enumerate(network.layers()):
        if number >= len(trained.layers) or not _fits(block, trained.layers[number]):
            return number
    return len(network.layers())


def _fits(block: ForwardForwardBlock, layer: dict[str, Tensor]) -> bool:
    return _shapes(block.state_dict()) == _shapes(layer)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Give the shapes of what makes a layer's activity; a graph counts no batches."""
    return {
        name: tensor.shape
        for name, tensor in tensors.items()
        if name.startswith(PARTS) and not name.endswith("num_batches_tracked")
    }


def _unfold(network: ForwardForwardNetwork, images: Split, layers: range) -> None:
    """Give norms back the statistics that an export folded away; the function stays the same.

    A norm in training divides by the spread of the batch: without them, its output would have
    another scale than the layer after it was trained on.
    """
    network.eval()
    for number in layers:
        block = network.layers()[number]
        for convolution, (_, norm) in enumerate(block.convolved()):
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            mean, variance = _raw_statistics(network, images, number, convolution)
            with torch.no_grad():
                norm.bias.add_(mean)
                norm.weight.copy_((variance + norm.eps).sqrt())
            norm.get_buffer("running_mean").copy_(mean)
            norm.get_buffer("running_var").copy_(variance)
    network.train()


def _raw_statistics(
    network: ForwardForwardNetwork, images: Split, layer: int, convolution: int
) -> tuple[Tensor, Tensor]:
    """Give mean and variance `(C,)` of what a layer's convolution, from 0, makes of some images."""
    *lower, block = network.layers()[: layer + 1]
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    with torch.no_grad():
        for part in images.parts(_AT_ONCE):
            x = network.normalised(part.images)
            for each in lower:
                prepared = each.prepared(x)
                x = each.pass_on(each.activity(prepared), prepared)
            raw = block.raw(block.prepared(x), convolution).double()
            count += raw.numel() // raw.shape[1]
            total = total + raw.sum((0, 2, 3))
            squares = squares + raw.square().sum((0, 2, 3))
    mean = total / count
    return mean.float(), (squares / count - mean.square()).clamp_min(0).float()
