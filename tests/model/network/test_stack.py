"""The stack of blocks: shapes, locality, exact decomposition."""

import dataclasses

import pytest
import torch

from model.network.stack import ForwardForwardNetwork, NetworkSpec

SPEC = NetworkSpec(
    image_height=16,
    image_width=12,
    num_classes=5,
    widths=(8, 8, 12),
    pool_before=(3,),
    regions=4,
    shortcut=True,
    assignment="learnable",
)


def images(number: int = 6, height: int = 16, width: int = 12) -> torch.Tensor:
    """Draw noise as uint8 pixels."""
    chance = torch.Generator().manual_seed(7)
    shape = (number, height, width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)


def settled(spec: NetworkSpec = SPEC) -> ForwardForwardNetwork:
    """Make a network whose statistics have seen data and whose classes differ."""
    network = ForwardForwardNetwork(spec, seed=0)
    with torch.no_grad():
        for block in network.layers():
            if spec.assignment == "learnable":
                block.assignment_logits.mul_(200)
    network.train()
    for _ in range(20):
        network(images(32, spec.image_height, spec.image_width))
    weights = torch.softmax(torch.arange(len(spec.widths)).float(), 0)
    return network.calibrate(weights, 1.7).eval()


@pytest.mark.parametrize("num_classes", [2, 5, 200])
@pytest.mark.parametrize("regions", [1, 3, 4])
def test_shapes_are_free(num_classes: int, regions: int) -> None:
    """K, R and the image's proportions are free; K need not divide C."""
    spec = dataclasses.replace(SPEC, num_classes=num_classes, regions=regions)
    network = ForwardForwardNetwork(spec, seed=0).eval()

    answer = network(images())

    assert answer.scores.shape == (6, num_classes)
    assert answer.contributions.shape == (6, 3, num_classes)
    torch.testing.assert_close(answer.probabilities.sum(1), torch.ones(6))


def test_layer_contributions_sum_to_the_score() -> None:
    """The score is the sum of its layers, to float32 rounding."""
    answer = settled()(images())

    limit = 1e-5 * answer.contributions.abs().sum(1)
    assert answer.scores.abs().max() > 0.1
    assert ((answer.contributions.sum(1) - answer.scores).abs() <= limit).all()


@pytest.mark.parametrize("regions", [1, 3, 4])
def test_positions_of_all_layers_sum_to_the_score(regions: int) -> None:
    """Taken apart to single positions of every layer, the score is still exact."""
    network = settled(dataclasses.replace(SPEC, regions=regions))

    maps = network.position_contributions(images())

    scores = network(images()).scores
    total = torch.stack([layer.sum((1, 2)) for layer in maps]).sum(0)
    size = torch.stack([layer.abs().sum((1, 2)) for layer in maps]).sum(0)
    assert [tuple(layer.shape[1:3]) for layer in maps] == [(16, 12), (16, 12), (8, 6)]
    assert ((total - scores).abs() <= 1e-5 * size).all()


@pytest.mark.parametrize("regions", [1, 3, 4])
def test_channels_of_all_layers_sum_to_the_score(regions: int) -> None:
    """Taken apart to the channel-regions of every layer, the score is still exact."""
    network = settled(dataclasses.replace(SPEC, regions=regions))

    parts = network.channel_contributions(images())

    scores = network(images()).scores
    total = torch.stack([layer.sum((1, 2, 3)) for layer in parts]).sum(0)
    size = torch.stack([layer.abs().sum((1, 2, 3)) for layer in parts]).sum(0)
    assert [tuple(layer.shape[1:4]) for layer in parts] == [
        (c, regions, regions) for c in (8, 8, 12)
    ]
    assert ((total - scores).abs() <= 1e-5 * size).all()


def test_one_image_is_answered_as_in_company() -> None:
    """In evaluation mode no image depends on its neighbours."""
    network = settled()

    together = network(images()).scores
    alone = torch.cat([network(image[None]).scores for image in images()])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_shortcut_joins_only_inside_a_stage() -> None:
    """The identity shortcut needs the same grid and the same width."""
    shortcuts = [block.has_shortcut for block in SPEC.blocks()]

    assert shortcuts == [False, True, False]


def test_small_grids_read_each_position_by_itself() -> None:
    """Where the grid is smaller than R x R, each position is a region of its own."""
    spec = dataclasses.replace(SPEC, widths=(8, 8, 8, 8), pool_before=(2, 3, 4))

    assert [block.regions for block in spec.blocks()] == [(4, 4), (4, 4), (4, 3), (2, 1)]


def test_fixed_assignment_has_nothing_to_learn() -> None:
    """With a fixed partition no parameter of the assignment exists."""
    network = ForwardForwardNetwork(dataclasses.replace(SPEC, assignment="fixed"), seed=0)

    names = {name.split(".")[-1] for name, _ in network.named_parameters()}
    assert names == {"weight", "bias", "scale"}


def test_the_seed_decides_every_weight() -> None:
    """The same seed gives the same network, another seed another."""
    first, again, other = (ForwardForwardNetwork(SPEC, seed).state_dict() for seed in (3, 3, 4))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["blocks.0.conv.weight"], other["blocks.0.conv.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_classes": 1}, "at least 2 classes, got 1"),
        ({"widths": ()}, "at least one channel"),
        ({"regions": 0}, "regions must be at least 1"),
        ({"pool_before": (4,)}, r"names layers \[4\], but there are 3"),
        ({"widths": (8,) * 6, "pool_before": (1, 2, 3, 4, 5)}, "layer 4 has no positions left"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, object], message: str) -> None:
    """A shape that cannot be built says which number is wrong."""
    spec = dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=message):
        spec.blocks()
