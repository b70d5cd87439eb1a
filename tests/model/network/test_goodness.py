"""Regions and class goodness."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.network import goodness

SEEDS = st.integers(0, 2**31)


def generator(seed: int) -> torch.Generator:
    """Make chance that can be repeated."""
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("size", "regions"), [(8, 4), (7, 3), (5, 5), (28, 3), (1, 1)])
def test_regions_cover_every_position_once(size: int, regions: int) -> None:
    """Edges run from first to last and no region differs by more than one position."""
    edges = goodness.region_edges(size, regions)

    lengths = [stop - start for start, stop in itertools.pairwise(edges)]
    assert (edges[0], edges[-1], len(lengths)) == (0, size, regions)
    assert max(lengths) - min(lengths) <= 1


def test_more_regions_than_positions_are_refused() -> None:
    """An empty region has no mean, so asking for one is an error that says the range."""
    with pytest.raises(ValueError, match="cannot cut 3 positions into 4 regions; use 1 to 3"):
        goodness.region_edges(3, 4)


@given(seed=SEEDS, height=st.integers(1, 9), width=st.integers(1, 9), data=st.data())
def test_region_means_are_means_of_slices(
    seed: int, height: int, width: int, data: st.DataObject
) -> None:
    """Both ways of averaging, divisible or not, give the plain mean of each slice."""
    down, across = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    activity = torch.rand(2, 3, height, width, generator=generator(seed))

    means = goodness.region_means(activity, (down, across)).view(2, 3, down, across)

    rows, columns = goodness.region_edges(height, down), goodness.region_edges(width, across)
    for r in range(down):
        for c in range(across):
            part = activity[:, :, rows[r] : rows[r + 1], columns[c] : columns[c + 1]]
            torch.testing.assert_close(means[:, :, r, c], part.mean((2, 3)))


@given(seed=SEEDS, num_classes=st.sampled_from([2, 3, 10, 200]))
def test_class_goodness_sums_to_zero(seed: int, num_classes: int) -> None:
    """A channel-region assigned to nobody in particular is silent, so classes balance."""
    standardised = torch.randn(4, 30, generator=generator(seed))
    assignment = torch.softmax(torch.randn(30, num_classes, generator=generator(seed)), 1)

    scores = goodness.class_goodness(standardised, assignment)

    assert scores.shape == (4, num_classes)
    torch.testing.assert_close(scores.sum(1), torch.zeros(4), atol=1e-3, rtol=0)


def test_uniform_assignment_is_silent() -> None:
    """Channels that speak for all classes alike give every class exactly nothing."""
    assignment = torch.full((12, 4), 0.25)

    scores = goodness.class_goodness(torch.randn(5, 12), assignment)

    assert scores.abs().max() == 0


def test_subtracting_the_common_part_changes_no_probability() -> None:
    """The 1 / K is for explanations alone: the softmax is the same without it."""
    standardised = torch.randn(6, 20, generator=generator(1)).double()
    assignment = torch.softmax(torch.randn(20, 5, generator=generator(2)), 1).double()

    with_it = goodness.class_goodness(standardised, assignment)
    without = standardised @ assignment * 5 / math.sqrt(20)

    torch.testing.assert_close(with_it.softmax(1), without.softmax(1))


def test_spread_does_not_grow_with_the_number_of_channel_regions() -> None:
    """Dividing by sqrt(D) keeps scores of wide and narrow layers comparable."""
    spreads = []
    for regions in (16, 1024):
        logits = torch.randn(regions, 10, generator=generator(0))
        standardised = torch.randn(2000, regions, generator=generator(1))
        scores = goodness.class_goodness(standardised, torch.softmax(logits, 1))
        spreads.append(scores.std().item())

    assert spreads[0] == pytest.approx(spreads[1], rel=0.35)
