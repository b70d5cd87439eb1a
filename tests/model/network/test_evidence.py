"""Scores taken apart in the same pass, for combinations of classes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.network.evidence import Evidence, EvidenceNetwork, channel_assignment
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork


def settled(spec: NetworkSpec, seed: int = 0) -> ForwardForwardNetwork:
    """Make a network that has seen images and has an opinion."""
    network = ForwardForwardNetwork(spec, seed).train()
    chance = torch.Generator().manual_seed(seed)
    size = (12, spec.image_height, spec.image_width, 3)
    network.scaled_goodness(torch.randint(0, 256, size, dtype=torch.uint8, generator=chance))
    with torch.no_grad():
        for block in network.layers():
            for parameter in block.assignment.parameters():
                parameter.normal_(generator=chance)
    weights = torch.rand(len(spec.widths), generator=chance)
    return network.calibrate(weights / weights.sum(), 0.7).eval()


def images(spec: NetworkSpec, count: int = 4) -> torch.Tensor:
    """Draw some."""
    chance = torch.Generator().manual_seed(7)
    size = (count, spec.image_height, spec.image_width, 3)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=chance)


def spec(  # noqa: PLR0913  a network has a shape
    size: tuple[int, int] = (16, 16),
    classes: int = 4,
    widths: tuple[int, ...] = (6, 6, 8),
    pool_before: tuple[int, ...] = (3,),
    regions: int = 2,
    *,
    shortcut: bool = True,
    mirrored: bool = False,
) -> NetworkSpec:
    """Give a small network's shape."""
    return NetworkSpec(
        *size,
        classes,
        widths,
        pool_before,
        regions,
        shortcut=shortcut,
        assignment="learnable",
        mirrored=mirrored,
    )


def residual(evidence: Evidence, wanted: torch.Tensor) -> float:
    """Give the greatest difference of a sum, as a fraction of its parts."""
    maps = [each.double().flatten(2) for each in evidence.maps]
    whole = sum(each.sum(2) for each in maps)
    size = sum(each.abs().sum(2) for each in maps) + 1e-30
    by_channel = evidence.channels.double().sum(2)
    worst = torch.maximum((whole - wanted).abs(), (by_channel - wanted).abs()) / size
    return float(worst.max())


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(5, 19), st.integers(5, 19)),
    classes=st.sampled_from([2, 3, 10, 200]),
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    regions=st.integers(1, 5),
    shortcut=st.booleans(),
    mirrored=st.booleans(),
    seed=st.integers(0, 5),
)
def test_parts_add_up_on_any_network(  # noqa: PLR0913, PLR0917  hypothesis gives them
    size: tuple[int, int],
    classes: int,
    widths: list[int],
    regions: int,
    shortcut: bool,  # noqa: FBT001
    mirrored: bool,  # noqa: FBT001
    seed: int,
) -> None:
    """Positions and channels sum to the score of every combination, below 1e-5 of the parts."""
    pooled = (2,) if len(widths) > 1 else ()
    shape = spec(
        size, classes, tuple(widths), pooled, regions, shortcut=shortcut, mirrored=mirrored
    )
    by_class = torch.zeros(4, 2, classes)
    by_class[:, 0, 1], by_class[:, 1, 0], by_class[:, 1, 1] = 1, 1, -1

    with torch.no_grad():
        found = EvidenceNetwork(settled(shape, seed))(
            images(shape), by_class, torch.zeros_like(by_class)
        )

    wanted = torch.einsum("nmk,nk->nm", by_class.double(), found.scores.double())
    assert residual(found, wanted) < 1e-5


def test_ranks_ask_for_the_most_probable_classes() -> None:
    """A 1 at rank 0 is the first class of each image, whichever it is."""
    shape = spec()
    network = settled(shape)
    by_rank = torch.zeros(4, 2, 4)
    by_rank[:, 0, 0], by_rank[:, 1, 0], by_rank[:, 1, 1] = 1, 1, -1

    with torch.no_grad():
        found = EvidenceNetwork(network)(images(shape), torch.zeros_like(by_rank), by_rank)

    ordered = found.scores.double().sort(1, descending=True).values
    wanted = torch.stack([ordered[:, 0], ordered[:, 0] - ordered[:, 1]], 1)
    assert residual(found, wanted) < 1e-5


def test_the_answer_is_the_networks_own() -> None:
    """Scores, probabilities and contributions are the same to the bit."""
    shape = spec()
    network = settled(shape)

    with torch.no_grad():
        found = EvidenceNetwork(network)(images(shape), torch.ones(4, 1, 4), torch.zeros(4, 1, 4))
        expected = network(images(shape))

    for ours, theirs in zip(found[:3], expected, strict=True):
        assert torch.equal(ours, theirs)


def test_a_map_lies_on_its_layers_grid() -> None:
    """Each layer has its own; one that pools has half the rows, the rest rounded down."""
    shape = spec((13, 10))

    with torch.no_grad():
        found = EvidenceNetwork(settled(shape))(
            images(shape), torch.ones(4, 3, 4), torch.zeros(4, 3, 4)
        )

    assert [tuple(each.shape) for each in found.maps] == [(4, 3, 13, 10)] * 2 + [(4, 3, 6, 5)]
    assert found.channels.shape == (4, 3, 20)
    assert found.activity.shape == (4, 20)


def test_a_channels_assignment_is_its_regions_mean() -> None:
    """Every channel has one row, which sums to 1."""
    shares = channel_assignment(settled(spec()))

    assert shares.shape == (20, 4)
    torch.testing.assert_close(shares.sum(1), torch.ones(20))
    with pytest.raises(RuntimeError):
        shares.sum().backward()  # type: ignore[no-untyped-call]
