"""The untrained network: pixel statistics, and shapes that cannot be."""

import pytest
import torch

from training.errors import ConfigError
from training.fit.build import build_network, pixel_statistics
from training.settings.sections import NetworkSettings


def test_pixel_statistics_are_those_of_the_images() -> None:
    """Exact to float32, colour by colour."""
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 6, 7, 3), dtype=torch.uint8, generator=chance)

    mean, deviation = pixel_statistics(images)

    unit = images.double().view(-1, 3) / 255
    torch.testing.assert_close(mean, unit.mean(0).float())
    torch.testing.assert_close(deviation, unit.std(0, correction=0).float())


def test_images_of_one_colour_divide_nothing_by_zero() -> None:
    """The deviation has a floor."""
    _, deviation = pixel_statistics(torch.full((2, 3, 3, 3), 9, dtype=torch.uint8))

    assert deviation.tolist() == pytest.approx([1e-3] * 3)


def test_a_shape_that_cannot_be_is_a_config_error() -> None:
    """Pooling a small image away is the settings' fault, not a bug."""
    settings = NetworkSettings(widths=(4, 4, 4), pool_before=(1, 2, 3))

    with pytest.raises(ConfigError, match="layer 3 has no positions left"):
        build_network(settings, torch.zeros(1, 4, 4, 3, dtype=torch.uint8), 2, seed=0)
