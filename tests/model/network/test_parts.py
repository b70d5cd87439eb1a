"""Scores taken apart: by channel-region and by position, exactly."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.network.goodness import class_goodness, class_weights, region_means
from model.network.parts import (
    channel_contributions,
    goodness_by_channel,
    goodness_by_position,
    position_contributions,
)
from model.network.rule import LayerRule
from tests.model.network.networks import SPEC, images, settled

SEEDS = st.integers(0, 2**31)


def generator(seed: int) -> torch.Generator:
    """Make chance that can be repeated."""
    return torch.Generator().manual_seed(seed)


@given(seed=SEEDS)
def test_channels_add_up_to_the_score(seed: int) -> None:
    """Taken apart by channel-region and summed again, the class goodness is the same."""
    standardised = torch.randn(3, 40, generator=generator(seed))
    assignment = torch.softmax(3 * torch.randn(40, 7, generator=generator(seed)), 1)

    parts = goodness_by_channel(standardised, class_weights(assignment))

    scores = class_goodness(standardised, assignment)
    limit = 1e-5 * parts.abs().sum(1)
    assert ((parts.sum(1) - scores).abs() <= limit).all()


@given(seed=SEEDS, grid=st.sampled_from([(8, 8), (7, 5), (3, 3), (4, 6)]))
def test_positions_add_up_to_the_score(seed: int, grid: tuple[int, int]) -> None:
    """Each position's share, summed over the grid, is the class goodness again."""
    chance, regions = generator(seed), (2, 3)
    activity = torch.rand(2, 4, *grid, generator=chance)
    mean, deviation = torch.rand(24, generator=chance), 0.5 + torch.rand(24, generator=chance)
    assignment = torch.softmax(torch.randn(24, 5, generator=chance), 1)

    weights = class_weights(assignment)
    maps = goodness_by_position(activity, (mean, deviation), weights, regions, LayerRule())

    standardised = (region_means(activity, regions) - mean) / deviation
    assert maps.shape == (2, *grid, 5)
    limit = 1e-5 * maps.abs().sum((1, 2)) + 1e-7
    difference = maps.sum((1, 2)) - class_goodness(standardised, assignment)
    assert (difference.abs() <= limit).all()


@pytest.mark.parametrize("regions", [1, 3, 4])
def test_positions_of_all_layers_sum_to_the_score(regions: int) -> None:
    """Taken apart to single positions of every layer, the score is still exact."""
    network = settled(dataclasses.replace(SPEC, regions=regions))

    maps = position_contributions(network, images())

    scores = network(images()).scores
    total = torch.stack([layer.sum((1, 2)) for layer in maps]).sum(0)
    size = torch.stack([layer.abs().sum((1, 2)) for layer in maps]).sum(0)
    assert [tuple(layer.shape[1:3]) for layer in maps] == [(16, 12), (16, 12), (8, 6)]
    assert ((total - scores).abs() <= 1e-5 * size).all()


@pytest.mark.parametrize("regions", [1, 3, 4])
def test_channels_of_all_layers_sum_to_the_score(regions: int) -> None:
    """Taken apart to the channel-regions of every layer, the score is still exact."""
    network = settled(dataclasses.replace(SPEC, regions=regions))

    parts = channel_contributions(network, images())

    scores = network(images()).scores
    total = torch.stack([layer.sum((1, 2, 3)) for layer in parts]).sum(0)
    size = torch.stack([layer.abs().sum((1, 2, 3)) for layer in parts]).sum(0)
    assert [tuple(layer.shape[1:4]) for layer in parts] == [
        (c, regions, regions) for c in (8, 8, 12)
    ]
    assert ((total - scores).abs() <= 1e-5 * size).all()
