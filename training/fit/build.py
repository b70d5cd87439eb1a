"""From settings and data to an untrained network."""

from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from model.network.rule import LayerRule
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split
from training.errors import ConfigError
from training.fit.whitening import whiten_stem
from training.settings.sections import NetworkSettings


def build_network(
    settings: NetworkSettings, train: Split, num_classes: int, seed: int
) -> ForwardForwardNetwork:
    """Draw a network, with the pixel statistics of the images it learns from.

    Args:
        settings: its shape.
        train: the images.
        num_classes: K.
        seed: decides every initial weight.

    Raises:
        ConfigError: no network has the shape that the settings ask for.
    """
    height, width = train.pool.shape[1:3]
    spec = NetworkSpec(
        image_height=height,
        image_width=width,
        num_classes=num_classes,
        widths=settings.widths_for(num_classes),
        pool_before=settings.pooled_layers,
        regions=settings.regions,
        shortcut=settings.shortcut,
        assignment=settings.assignment,
        concatenate=settings.concatenate,
        convolutions=settings.convolutions,
        mirrored=settings.mirrored,
        **{field.name: getattr(settings, field.name) for field in fields(LayerRule)},
    )
    try:
        network = ForwardForwardNetwork(spec, seed)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    network.set_pixel_statistics(*pixel_statistics(train))
    if settings.stem == "whitened" and settings.initial is None:
        whiten_stem(network, train)
    return network


def pixel_statistics(split: Split) -> tuple[Tensor, Tensor]:
    """Give mean and standard deviation per colour of a split's images.

    Returns:
        `(3,)` each, float32, in units of 0 to 1; the deviation is at least 0.001.
    """
    # From histograms: exact for uint8, and without a float copy of the whole data set.
    values = torch.arange(256, dtype=torch.float64) / 255
    histograms = np.zeros((3, 256))
    for part in split.parts():
        for colour, found in enumerate(part.images.numpy().reshape(-1, 3).T):
            histograms[colour] += np.bincount(found, minlength=256)
    means, deviations = [], []
    for counts in torch.from_numpy(histograms):
        share = counts / counts.sum()
        mean = (share * values).sum()
        means.append(mean)
        deviations.append((share * (values - mean).square()).sum().sqrt().clamp_min(1e-3))
    return torch.stack(means).float(), torch.stack(deviations).float()
