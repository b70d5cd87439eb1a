"""A stem whose filters are set by the images, and not learned."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention

from model.network.stack import ForwardForwardNetwork
from tests.training.networks import learner
from training.data.dataset import Split
from training.fit.build import build_network
from training.objective.objective import Moment
from training.settings.sections import NetworkSettings


def images() -> Split:
    """Draw images whose neighbouring pixels are alike, as in a photo."""
    chance = torch.Generator().manual_seed(3)
    coarse = torch.rand(300, 3, 5, 5, generator=chance)
    fine = F.interpolate(coarse, (16, 16), mode="bicubic").clamp(0, 1)
    noisy = (fine + 0.05 * torch.rand(fine.shape, generator=chance)).clamp(0, 1)
    pixels = (noisy * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return Split(pixels, torch.randint(0, 4, (300,), generator=chance))


def built(
    stem: str, widths: tuple[int, ...], seed: int = 0, **changes: Any
) -> ForwardForwardNetwork:
    """Build a network that is to learn from the images."""
    values = {"stem": stem, "widths": widths, "pool_before": (2,), "regions": 2, **changes}
    settings = NetworkSettings.model_validate(values)
    return build_network(settings, images(), 4, seed).train()


def test_the_filters_whiten_the_patches() -> None:
    """What the positive filters make of the images is uncorrelated, and of one variance.

    The weakest directions are taken for noise and stay weaker.
    """
    network = built("whitened", (54, 8))
    weight = network.layers()[0].conv.weight

    found = F.conv2d(network.normalised(images().images), weight[::2], padding=1)

    rows = found.permute(0, 2, 3, 1).reshape(-1, 27)
    products = rows.T @ rows / len(rows)
    variances = products.diagonal()
    cosines = products / (variances[:, None] * variances).sqrt()
    torch.testing.assert_close(cosines, torch.eye(27), atol=0.02, rtol=0)
    assert variances[:3].min() > 0.9
    assert variances.max() < 1.1
    assert torch.equal(weight[1::2], -weight[::2])


def test_few_channels_have_the_strongest_directions() -> None:
    """And many have all of them first."""
    few, all_, many = (built("whitened", (width, 8)).layers()[0].conv for width in (10, 54, 60))

    assert torch.equal(few.weight, all_.weight[:10])
    assert torch.equal(many.weight[:54], all_.weight)


def test_grey_pictures_have_no_silent_channel() -> None:
    """Nine directions with their negatives; the other filters are mixtures, whitened too."""
    grey = images().images[..., :1].expand(-1, -1, -1, 3).contiguous()
    settings = NetworkSettings.model_validate({"widths": (24, 8), "regions": 2})
    network = build_network(settings, Split(grey, images().labels), 4, 0).eval()

    _, activity = next(network.activities(grey))

    weight = network.layers()[0].conv.weight
    assert torch.equal(weight[1:18:2], -weight[:18:2])
    found = F.conv2d(network.normalised(grey), weight, padding=1)
    variances = found.square().mean((0, 2, 3))
    torch.testing.assert_close(variances[18:], torch.ones(6), atol=0.1, rtol=0)
    # No two of them look for the same.
    rows = F.normalize(weight[18:].flatten(1), dim=1)
    assert (rows @ rows.T - torch.eye(6)).abs().max() < 0.95
    assert activity.amax((0, 2, 3)).min() > 0.1


def test_pictures_of_one_colour_leave_the_filters_as_drawn() -> None:
    """There is no direction to whiten."""
    plain = Split(torch.full((9, 16, 16, 3), 7, dtype=torch.uint8), torch.zeros(9).long())
    settings = NetworkSettings.model_validate({"widths": (24, 8), "regions": 2})

    weight = build_network(settings, plain, 4, 0).layers()[0].conv.weight

    assert weight.isfinite().all()
    assert torch.equal(weight, built("learned", (24, 8)).layers()[0].conv.weight)


def test_a_seed_draws_the_other_layers_alike() -> None:
    """A whitened stem changes no other weight."""
    one, other = built("whitened", (12, 8), seed=4), built("learned", (12, 8), seed=4)

    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]) == (name != "blocks.0.conv.weight")


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("convolutions", [(1,), (2,), (1, 2)])
def test_a_step_leaves_the_filters_and_moves_the_rest(
    optimizer: str, convolutions: tuple[int, ...]
) -> None:
    """The stem's readout learns, its filters do not; with two convolutions the second one does."""
    network = built("whitened", (12, 8), convolutions=convolutions)
    before = {name: value.clone() for name, value in network.named_parameters()}
    update = learner(network, optimizer=optimizer, weight_decay=0.5)

    for step in range(2):
        update.step(images().images[:40], images().labels[:40], Moment(step, 100))

    inner = "inner_" if convolutions[0] == 2 else ""
    fixed = {f"blocks.0.{inner}{part}" for part in ("conv.weight", "norm.weight", "norm.bias")}
    same = {n for n, value in network.named_parameters() if torch.equal(value, before[n])}
    assert same == fixed


def test_a_fixed_stem_with_nothing_to_read_learns_nothing() -> None:
    """A plain readout of a fixed partition has no parameters: its loss has no gradient."""
    rule: dict[str, Any] = {"assignment": "fixed", "readout": "plain"}
    network = built("whitened", (12, 8), **rule)

    losses = learner(network).step(images().images[:40], images().labels[:40], Moment(0, 100))

    assert losses.isfinite().all()


def test_layers_that_are_taken_over_learn_on() -> None:
    """With `--from` the stem is the trained one, and nothing is set by the images."""
    network = built("whitened", (12, 8), initial="cifar10/4")

    assert network.layers()[0].conv.weight.requires_grad
