"""From settings and data to an untrained network."""

import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork, NetworkSpec
from training.config import FitSettings
from training.data import Dataset, Split
from training.errors import ConfigError


def build_network(settings: FitSettings, dataset: Dataset, train: Split) -> ForwardForwardNetwork:
    """Draw a network for a data set, with the pixel statistics of the images it learns from.

    Raises:
        ConfigError: no network has the shape that the settings ask for.
    """
    height, width = train.images.shape[1:3]
    spec = NetworkSpec(
        image_height=height,
        image_width=width,
        num_classes=len(dataset.labels),
        widths=settings.widths,
        pool_before=settings.pooled_layers,
        regions=settings.regions,
        shortcut=settings.shortcut,
        assignment=settings.assignment,
    )
    try:
        network = ForwardForwardNetwork(spec, settings.seed)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return network.set_pixel_statistics(*_pixel_statistics(train.images))


def _pixel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per colour, in units of 0 to 1, exact from histograms."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for colour in range(3):
        counts = torch.bincount(images[..., colour].flatten(), minlength=256).double()
        share = counts / counts.sum()
        mean = (share * values).sum()
        means.append(mean)
        deviations.append((share * (values - mean).square()).sum().sqrt().clamp_min(1e-3))
    return torch.stack(means).float(), torch.stack(deviations).float()
