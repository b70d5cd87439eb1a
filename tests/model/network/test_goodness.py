"""Goodness, assignment and their exact decompositions."""

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


@given(seed=SEEDS)
def test_channels_add_up_to_the_score(seed: int) -> None:
    """Taken apart by channel-region and summed again, the class goodness is the same."""
    standardised = torch.randn(3, 40, generator=generator(seed))
    assignment = torch.softmax(3 * torch.randn(40, 7, generator=generator(seed)), 1)

    parts = goodness.channel_contributions(standardised, assignment)

    scores = goodness.class_goodness(standardised, assignment)
    limit = 1e-5 * parts.abs().sum(1)
    assert ((parts.sum(1) - scores).abs() <= limit).all()


@given(seed=SEEDS, grid=st.sampled_from([(8, 8), (7, 5), (3, 3), (4, 6)]))
def test_positions_add_up_to_the_score(seed: int, grid: tuple[int, int]) -> None:
    """Each position's share, summed over the grid, is the class goodness again."""
    chance, regions = generator(seed), (2, 3)
    activity = torch.rand(2, 4, *grid, generator=chance)
    mean, deviation = torch.rand(24, generator=chance), 0.5 + torch.rand(24, generator=chance)
    assignment = torch.softmax(torch.randn(24, 5, generator=chance), 1)

    maps = goodness.position_contributions(activity, mean, deviation, assignment, regions)

    standardised = (goodness.region_means(activity, regions) - mean) / deviation
    assert maps.shape == (2, *grid, 5)
    limit = 1e-5 * maps.abs().sum((1, 2)) + 1e-7
    difference = maps.sum((1, 2)) - goodness.class_goodness(standardised, assignment)
    assert (difference.abs() <= limit).all()


def test_entropy_tells_decided_from_undecided() -> None:
    """One class per channel costs 0; all classes alike cost 1."""
    decided = torch.eye(4)
    undecided = torch.full((4, 4), 0.25)

    assert goodness.assignment_entropy(decided).item() == pytest.approx(0)
    assert goodness.assignment_entropy(undecided).item() == pytest.approx(1)


def test_overlap_tells_own_channels_from_shared_ones() -> None:
    """Classes with channels of their own cost 0; classes with the same ones cost 1."""
    assert goodness.assignment_overlap(torch.eye(4)).item() == 0
    assert goodness.assignment_overlap(torch.full((6, 3), 1 / 3)).item() == pytest.approx(1)


@pytest.mark.parametrize(("channels", "num_classes"), [(10, 10), (48, 10), (7, 3), (200, 200)])
def test_fixed_assignment_is_an_equal_partition(channels: int, num_classes: int) -> None:
    """Every channel-region speaks for one class, and classes differ by one channel at most."""
    assignment = goodness.fixed_assignment(channels, (2, 2), num_classes)

    owned = assignment.sum(0) / 4
    assert assignment.shape == (channels * 4, num_classes)
    assert (assignment.sum(1) == 1).all()
    assert owned.max() - owned.min() <= 1


def test_fixed_assignment_needs_a_channel_per_class() -> None:
    """With fewer channels than classes some class would have none: that is refused."""
    with pytest.raises(ValueError, match="8 channels, 10 classes; widen the layer"):
        goodness.fixed_assignment(8, (1, 1), 10)


def test_layer_contributions_follow_the_losses() -> None:
    """A smaller loss weighs more; an infinite temperature weighs all alike."""
    losses = torch.tensor([1.5, 0.5, 1.0])

    sharp = goodness.layer_contributions(losses, 0.1)
    flat = goodness.layer_contributions(losses, float("inf"))

    assert sharp.argsort(descending=True).tolist() == [1, 2, 0]
    assert sharp.sum().item() == pytest.approx(1)
    torch.testing.assert_close(flat, torch.full((3,), 1 / 3))


def test_local_loss_adds_the_priced_terms() -> None:
    """Cross-entropy, entropy and overlap are added at their weights."""
    scores, labels = torch.zeros(4, 5), torch.tensor([0, 1, 2, 3])
    assignment = torch.full((6, 5), 0.2)

    plain = goodness.local_loss(scores, labels, assignment, 0, 0).item()
    priced = goodness.local_loss(scores, labels, assignment, 0.5, 0.25).item()

    assert plain == pytest.approx(math.log(5))
    assert priced == pytest.approx(math.log(5) + 0.5 + 0.25)


def test_a_decided_assignment_does_not_break_the_gradient() -> None:
    """Where a probability underflows to 0 the entropy's slope is infinite, the gradient is not."""
    logits = torch.tensor([[120.0, 0.0, 0.0], [0.0, 0.5, 0.0]], requires_grad=True)

    goodness.assignment_entropy(torch.softmax(logits, 1)).backward()  # type: ignore[no-untyped-call]

    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1].abs().max() > 0
