"""Calibration: validation decides layer weights and temperature."""

import pytest
import torch

from training.fit.calibration import best_temperature, calibrate


def goodness(noise: tuple[float, ...], number: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw layers that know the label, each under its own noise."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (number,), generator=chance)
    truth = torch.nn.functional.one_hot(labels, 5).float() * 2
    layers = [truth + n * torch.randn(number, 5, generator=chance) for n in noise]
    return torch.stack(layers, dim=1), labels


def test_better_layers_weigh_more() -> None:
    """Layer weights fall with validation loss and sum to 1."""
    found = calibrate(*goodness((3.0, 0.5, 1.5)))

    first, second, third = found.layer_weights
    assert second > third > first
    assert sum(found.layer_weights) == pytest.approx(1)


def test_layers_alike_but_noisy_are_all_used() -> None:
    """Where layers err independently, validation prefers to average them."""
    found = calibrate(*goodness((1.5, 1.5, 1.5, 1.5)))

    assert min(found.layer_weights) > 0.1


def test_a_few_images_do_not_make_an_answer_sure() -> None:
    """Six right ones would allow any temperature; their probabilities stay below certainty."""
    labels = torch.arange(6) % 3
    scores = torch.nn.functional.one_hot(labels, 3).float()

    found = best_temperature(scores, labels)

    assert 0.2 < found < 1
    assert best_temperature(-scores, labels) < 5
    many = best_temperature(scores.repeat(10_000, 1), labels.repeat(10_000))
    assert many < 0.15


def test_the_temperature_minimises_cross_entropy() -> None:
    """No temperature near the found one is better, and overconfidence is cooled."""
    layers, labels = goodness((1.0,))
    scores = layers[:, 0] * 10

    found = best_temperature(scores, labels)

    def loss(temperature: float) -> float:
        return torch.nn.functional.cross_entropy(scores / temperature, labels).item()

    assert found > 3
    assert loss(found) <= min(loss(found * 0.98), loss(found * 1.02), loss(1.0))
