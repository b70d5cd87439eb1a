"""What a channel-region says: mean, maximum and minimum, weighed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.network.goodness import region_means
from model.network.pooling import pooled, pooled_values, position_weights, region_windows
from model.network.rule import LayerRule

REGIONS = st.tuples(st.integers(1, 3), st.integers(1, 3))


def activity(seed: int, height: int = 5, width: int = 4) -> torch.Tensor:
    """Draw a rectified activity: about half of it is 0, so that minima are often tied."""
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, height, width, generator=chance).relu()


def test_means_alone_are_the_region_means_to_the_bit() -> None:
    """The default pooling changes nothing."""
    assert torch.equal(pooled(activity(0), (2, 2), LayerRule()), region_means(activity(0), (2, 2)))


@given(seed=st.integers(0, 2**31), regions=REGIONS)
def test_the_paper_s_pooling_is_that_of_each_window(seed: int, regions: tuple[int, int]) -> None:
    """Factors of mean, maximum and minimum, region by region, even or not."""
    rule = LayerRule(pooling=(0.94, 0.06, -0.05))

    found = pooled(activity(seed), regions, rule).view(2, 3, -1)

    for region, window in enumerate(region_windows(activity(seed), regions)):
        flat = window.flatten(2)
        expected = 0.94 * flat.mean(2) + 0.06 * flat.amax(2) - 0.05 * flat.amin(2)
        torch.testing.assert_close(found[:, :, region], expected)


@given(
    seed=st.integers(0, 2**31),
    pooling=st.sampled_from([(1.0, 0.0, 0.0), (0.94, 0.06, -0.05), (0.0, 1.0, 0.0)]),
    squared=st.booleans(),
)
def test_position_weights_give_what_is_pooled(
    seed: int, pooling: tuple[float, ...], *, squared: bool
) -> None:
    """Times the values and summed over a region they are what the region says."""
    rule = LayerRule(pooling=pooling, squared=squared)

    values = pooled_values(activity(seed), rule).flatten(2)

    parts = position_weights(values, rule) * values
    torch.testing.assert_close(parts.sum(2), pooled(activity(seed), (1, 1), rule).view(2, 3))


def test_of_equal_maxima_the_first_has_the_weight() -> None:
    """Ties are settled by place, row by row."""
    values = torch.tensor([[[0.0, 2.0, 2.0, 0.0]]])

    weights = position_weights(values, LayerRule(pooling=(0.0, 1.0, -0.5)))

    assert weights.tolist() == [[[-0.5, 1.0, 0.0, 0.0]]]


@pytest.mark.parametrize("seed", range(3))
def test_one_position_gets_the_gradient_of_a_maximum(seed: int) -> None:
    """Learning sees the same position that explanations name, the first of equal ones."""
    values = activity(seed).round().requires_grad_()

    pooled(values, (1, 1), LayerRule(pooling=(0.0, 1.0, 0.0))).sum().backward()  # type: ignore[no-untyped-call]

    assert values.grad is not None
    assert values.grad.flatten(2).argmax(2).equal(values.detach().flatten(2).argmax(2))
    assert values.grad.sum().item() == 6


@pytest.mark.parametrize("pooling", [(0.0, 0.0, 0.0), (1.0, 0.0)])
def test_a_pooling_that_says_nothing_is_refused(pooling: tuple[float, ...]) -> None:
    """Three factors, one of them not 0."""
    with pytest.raises(ValueError, match="factors of mean, maximum and minimum"):
        LayerRule(pooling=pooling).check_rule()
