"""The fused pass of a block in training, against autograd's own."""

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from model.network.block import ForwardForwardBlock
from model.network.spec import BlockSpec
from training.fit.fused import can_fuse, frozen_activity, fused_pass

LAST = torch.channels_last


def block(
    grid_regions: tuple[int, int] = (2, 2), in_channels: int = 5, convolutions: int = 1
) -> ForwardForwardBlock:
    """Make a block whose norm has learned something, in training."""
    spec = BlockSpec("block2", in_channels, 8, False, False, grid_regions, 3, "learnable")  # noqa: FBT003
    spec = dataclasses.replace(spec, convolutions=convolutions)
    made = ForwardForwardBlock(spec, torch.Generator().manual_seed(0)).train()
    with torch.no_grad():
        norm_of(made).weight.copy_(torch.linspace(-0.5, 1.5, 8))
        norm_of(made).bias.copy_(torch.linspace(0.6, -0.4, 8))
    return made.to(memory_format=LAST)  # type: ignore[call-overload, no-any-return]


def norm_of(made: ForwardForwardBlock) -> nn.BatchNorm2d:
    """Give a block's batch norm."""
    assert isinstance(made.norm, nn.BatchNorm2d)
    return made.norm


def images(size: tuple[int, int], channels: int = 5) -> torch.Tensor:
    """Draw a batch."""
    chance = torch.Generator().manual_seed(1)
    return torch.randn(6, channels, *size, generator=chance).contiguous(memory_format=LAST)


def drawn(regions: int) -> torch.Tensor:
    """Draw what each channel-region counts in the loss of each image."""
    return torch.randn(6, regions, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("convolutions", [1, 2])
@pytest.mark.parametrize(
    ("size", "regions"), [((8, 8), (2, 2)), ((8, 12), (4, 3)), ((4, 4), (4, 4)), ((2, 2), (1, 1))]
)
def test_means_statistics_and_gradients_are_autograds(
    size: tuple[int, int], regions: tuple[int, int], convolutions: int
) -> None:
    """In float32 everything that is computed agrees, on large grids and on small ones."""
    ours, theirs = (block(regions, convolutions=convolutions) for _ in range(2))
    weights = drawn(8 * regions[0] * regions[1])

    means, activity = fused_pass(ours, images(size))
    torch.autograd.backward((means * weights).sum())
    expected = theirs.activity(images(size))
    readout = theirs.read(expected)
    torch.autograd.backward((readout.means * weights).sum())

    torch.testing.assert_close(activity, expected.detach())
    torch.testing.assert_close(means, readout.means)
    learned = dict(ours.named_parameters())
    for name, parameter in theirs.named_parameters():
        assert (learned[name].grad is None) == (parameter.grad is None)
        if parameter.grad is not None:
            torch.testing.assert_close(learned[name].grad, parameter.grad, atol=1e-4, rtol=1e-4)
    assert all(conv.weight.grad is not None for conv, _ in ours.convolved())
    for (_, norm), (_, moved) in zip(theirs.convolved(), ours.convolved(), strict=True):
        for name, statistic in norm.named_buffers():
            torch.testing.assert_close(dict(moved.named_buffers())[name], statistic)


@pytest.mark.parametrize("convolutions", [1, 2])
def test_in_bfloat16_gradients_stay_close(convolutions: int) -> None:
    """The precision of the input is that of the pass; the direction stays."""
    ours, theirs = (block(convolutions=convolutions) for _ in range(2))
    weights = drawn(32)

    means, activity = fused_pass(ours, images((8, 8)).bfloat16())
    torch.autograd.backward((means * weights).sum())
    torch.autograd.backward((theirs.read(theirs.activity(images((8, 8)))).means * weights).sum())

    assert activity.dtype is torch.bfloat16
    assert means.dtype is torch.float32
    # Two ReLUs let more signs differ.
    least = 0.999 if convolutions == 1 else 0.99
    for (ours_conv, _), (theirs_conv, _) in zip(ours.convolved(), theirs.convolved(), strict=True):
        found, expected = ours_conv.weight.grad, theirs_conv.weight.grad
        assert found is not None
        assert expected is not None
        assert torch.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > least


def test_a_norm_without_weight_keeps_its_place() -> None:
    """A weight of exactly 0 gives no gradient that is not a number."""
    silent = block()
    with torch.no_grad():
        norm_of(silent).weight[2] = 0

    torch.autograd.backward(fused_pass(silent, images((8, 8)))[0].sum())

    gradients = [p.grad for p in (silent.conv.weight, *silent.norm.parameters())]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_uneven_regions_are_left_to_autograd() -> None:
    """A grid of 7 cannot be read in two regions of one size."""
    assert can_fuse(block(), images((8, 8)))
    assert can_fuse(block(convolutions=2), images((8, 8)))
    assert not can_fuse(block(), images((8, 7)))


@pytest.mark.parametrize(
    "rule",
    [
        {"activity_norm": "none"},
        {"pooling": (0.9, 0.1, 0.0)},
        {"squared": True},
    ],
)
def test_other_rules_are_left_to_autograd(rule: dict[str, Any]) -> None:
    """The short backward pass holds for batch norm and for means alone."""
    spec = dataclasses.replace(block().spec, **rule)

    made = ForwardForwardBlock(spec, torch.Generator().manual_seed(0))

    assert not can_fuse(made, images((8, 8)))


def test_a_frozen_block_without_norm_is_its_convolution() -> None:
    """There is nothing to fold."""
    spec = dataclasses.replace(block().spec, activity_norm="none")
    made = ForwardForwardBlock(spec, torch.Generator().manual_seed(0))

    found = frozen_activity(made, images((8, 8)))

    torch.testing.assert_close(found, made.activity(images((8, 8))).detach())


def test_a_frozen_block_gives_what_it_gives_in_evaluation() -> None:
    """Folding the norm into the weights changes nothing, and moves no statistic."""
    made = block()
    made.activity(images((8, 8)))
    before = copy.deepcopy(made.state_dict())

    found = frozen_activity(made, images((8, 8)))

    torch.testing.assert_close(found, made.eval().activity(images((8, 8))).detach())
    after: dict[str, Any] = made.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_two_convolutions_are_both_folded() -> None:
    """A frozen layer gives what it gives in evaluation, by the running statistics of both norms."""
    spec = dataclasses.replace(block().spec, convolutions=2)
    made = ForwardForwardBlock(spec, torch.Generator().manual_seed(0)).train()
    made.activity(images((8, 8)))

    folded = frozen_activity(made, images((8, 8)))

    torch.testing.assert_close(folded, made.eval().activity(images((8, 8))))
    assert len(made.convolved()) == 2
