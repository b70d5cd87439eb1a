"""Chance: decided by the seed and the place alone."""

import itertools

import pytest
import torch

from training.fit.chance import chance

PLACES = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]


def drawn(seed: int, place: tuple[int, ...]) -> list[int]:
    """Draw a few numbers."""
    return torch.randint(0, 2**31, (4,), generator=chance(seed, *place)).tolist()


def test_the_same_place_draws_the_same_whatever_was_drawn_before() -> None:
    """A resumed run needs no state of any generator."""
    first = drawn(3, (2, 5))
    drawn(3, (2, 4))

    assert drawn(3, (2, 5)) == first


@pytest.mark.parametrize("seed", [0, 1, 2**61])
def test_every_place_of_a_run_has_chance_of_its_own(seed: int) -> None:
    """An epoch is not its first step, nor the split before it."""
    streams = [drawn(seed, place) for place in PLACES]

    assert all(one != other for one, other in itertools.combinations(streams, 2))


@pytest.mark.parametrize("place", PLACES)
def test_seeds_draw_otherwise_at_the_same_place(place: tuple[int, ...]) -> None:
    """Two runs with different seeds see their images in different orders."""
    streams = [drawn(seed, place) for seed in (0, 1, 12345)]

    assert all(one != other for one, other in itertools.combinations(streams, 2))
