"""The untrained network: pixel statistics, and shapes that cannot be."""

import pytest
import torch

from training.data.dataset import Split
from training.errors import ConfigError
from training.fit.build import build_network, pixel_statistics
from training.settings.sections import NetworkSettings


def test_pixel_statistics_are_those_of_the_images() -> None:
    """Exact to float32, colour by colour."""
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 6, 7, 3), dtype=torch.uint8, generator=chance)

    mean, deviation = pixel_statistics(Split(images, torch.zeros(5)))

    unit = images.double().view(-1, 3) / 255
    torch.testing.assert_close(mean, unit.mean(0).float())
    torch.testing.assert_close(deviation, unit.std(0, correction=0).float())


def test_images_of_one_colour_divide_nothing_by_zero() -> None:
    """The deviation has a floor."""
    images = torch.full((2, 3, 3, 3), 9, dtype=torch.uint8)

    _, deviation = pixel_statistics(Split(images, torch.zeros(2)))

    assert deviation.tolist() == pytest.approx([1e-3] * 3)


@pytest.mark.parametrize(
    ("factor", "num_classes", "expected"),
    [
        (1.0, 7, (100, 64)),
        (0.25, 10, (20, 20)),
        (0.5, 10, (50, 30)),
        (3.0, 10, (300, 190)),
        (0.01, 10, (10, 10)),
    ],
)
def test_scaled_widths_give_every_class_channels(
    factor: float, num_classes: int, expected: tuple[int, ...]
) -> None:
    """Multiples of the classes, at least one of each; a factor of 1 changes nothing."""
    settings = NetworkSettings(widths=(100, 64), pool_before=(), width_factor=factor)
    assert settings.widths_for(num_classes) == expected


def test_a_rule_that_cannot_be_followed_is_a_config_error() -> None:
    """Instance norm of a single position would be 0 whatever the image."""
    settings = NetworkSettings(widths=(4, 4), pool_before=(1, 2), input_norm="instance")
    train = Split(torch.zeros(1, 4, 4, 3, dtype=torch.uint8), torch.zeros(1))

    with pytest.raises(ConfigError, match="layer 2 has one position, which instance norm makes 0"):
        build_network(settings, train, 2, seed=0)


def test_a_shape_that_cannot_be_is_a_config_error() -> None:
    """Pooling a small image away is the settings' fault, not a bug."""
    settings = NetworkSettings(widths=(4, 4, 4), pool_before=(1, 2, 3))

    train = Split(torch.zeros(1, 4, 4, 3, dtype=torch.uint8), torch.zeros(1))

    with pytest.raises(ConfigError, match="layer 3 has no positions left"):
        build_network(settings, train, 2, seed=0)
