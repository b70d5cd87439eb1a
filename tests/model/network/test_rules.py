"""Networks of every rule: scores are exact sums, images are answered alone, states are strict."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from hypothesis import HealthCheck, given, settings

from model.network.block import ForwardForwardBlock
from model.network.normalisation import ImageNorm
from model.network.parts import channel_contributions, position_contributions
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.model.network.networks import SPEC, images, settled
from tests.model.network.rules import specs

slow_is_fine = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PAPER = dataclasses.replace(
    SPEC,
    widths=(5, 5, 10, 10),
    pool_before=(3,),
    regions=1,
    concatenate=True,
    assignment="tempered",
    activity_norm="none",
    input_norm="instance",
    stage_pooling="average",
    pooling=(0.94, 0.06, -0.05),
    readout="plain",
)


@given(spec=specs())
@slow_is_fine
def test_every_score_is_the_sum_of_its_parts(spec: NetworkSpec) -> None:
    """By layer, by channel and by position, to 1e-5 of the sum of the absolute parts."""
    network, pictures = settled(spec), images(4, 8, 6)

    with torch.no_grad():
        answer = network(pictures)
        maps = [part.flatten(1, -2) for part in position_contributions(network, pictures)]
        channels = [part.flatten(1, -2) for part in channel_contributions(network, pictures)]

    for parts in (torch.cat(maps, 1), torch.cat(channels, 1), answer.contributions):
        limit = 1e-5 * parts.abs().sum(1) + 1e-12
        assert ((parts.sum(1) - answer.scores).abs() <= limit).all()


@given(spec=specs())
@slow_is_fine
def test_every_layer_passes_on_what_the_next_one_takes(spec: NetworkSpec) -> None:
    """Own channels and those passed on behind them make the width that was asked for."""
    network = ForwardForwardNetwork(spec, 0).eval()

    x = network.normalised(images(2, 8, 6))
    for block, width in zip(network.layers(), spec.widths, strict=True):
        prepared = block.prepared(x)
        x = block.pass_on(block.activity(prepared), prepared)
        assert x.shape[1] == width
        assert not x.requires_grad


@given(spec=specs())
@slow_is_fine
def test_no_gradient_crosses_a_layer(spec: NetworkSpec) -> None:
    """A loss on one layer's goodness touches that layer's parameters alone."""
    network = ForwardForwardNetwork(spec, 0).train()

    goodness = network.scaled_goodness(images(6, 8, 6))[:, -1]
    F.cross_entropy(goodness, torch.arange(6) % 3).backward()  # type: ignore[no-untyped-call]

    touched = [
        any(p.grad is not None and p.grad.any() for p in block.parameters())
        for block in network.layers()
    ]
    assert touched == [False] * 3 + [True]


@given(spec=specs())
@slow_is_fine
def test_states_come_back_and_others_are_refused(spec: NetworkSpec) -> None:
    """What is stored is complete; weights of a network with another readout do not fit."""
    network, again = settled(spec), ForwardForwardNetwork(spec, 9).eval()

    again.load_state_dict(network.state_dict(), strict=True)

    assert torch.equal(again(images(3, 8, 6)).scores, network(images(3, 8, 6)).scores)
    is_standardised = spec.readout == "standardised"
    other = dataclasses.replace(spec, readout="plain" if is_standardised else "standardised")
    with pytest.raises(RuntimeError, match=r"Missing key|Unexpected key"):
        ForwardForwardNetwork(other, 0).load_state_dict(network.state_dict())


def test_the_default_network_stores_what_it_always_stored() -> None:
    """Names of parameters and statistics are a format: trained runs are read by them."""
    names = [n for n in ForwardForwardNetwork(SPEC, 0).state_dict() if n.startswith("blocks.1.")]

    assert [name.removeprefix("blocks.1.") for name in names] == [
        "scale",
        "conv.weight",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "goodness_norm.running_mean",
        "goodness_norm.running_var",
        "goodness_norm.num_batches_tracked",
        "input_norm.running_mean",
        "input_norm.running_var",
        "input_norm.num_batches_tracked",
        "assignment.logits",
    ]


def test_a_paper_block_learns_convolution_assignment_and_temperature() -> None:
    """There is no norm to learn, and a plain readout has no scale."""
    block = ForwardForwardNetwork(PAPER, 0).layers()[0]

    assert [n for n, _ in block.named_parameters()] == [
        "conv.weight",
        "assignment.logits",
        "assignment.log_temperature",
    ]


def test_a_concatenated_input_is_behind_the_layer_s_own_channels() -> None:
    """Five own channels, and the five of the input as it was prepared."""
    block = ForwardForwardNetwork(PAPER, 0).layers()[2]
    prepared = block.prepared(torch.rand(2, 5, 16, 12))
    activity = block.activity(prepared)

    passed = block.pass_on(activity, prepared)

    assert (block.spec.channels, block.spec.concatenates) == (5, True)
    assert torch.equal(passed, torch.cat([activity.detach(), prepared], 1))


def test_squared_mean_goodness_of_a_partition_is_cwcomp_s() -> None:
    """The mean square over a class's channels and all positions, less that over all classes."""
    spec = dataclasses.replace(
        PAPER, assignment="fixed", squared=True, readout="mean", pooling=(1.0, 0.0, 0.0)
    )
    block = ForwardForwardBlock(spec.blocks()[3], torch.Generator().manual_seed(0))
    activity = torch.rand(3, 10, 8, 6)

    goodness = block.read(activity).scaled_goodness

    expected = activity.view(3, 5, 2, 8, 6).square().mean((2, 3, 4))
    torch.testing.assert_close(goodness, expected - expected.mean(1, keepdim=True))


def test_a_plain_score_gives_the_paper_s_probabilities() -> None:
    """What is subtracted from all classes alike changes no softmax."""
    block = settled(PAPER).layers()[3]
    activity = torch.rand(3, 10, 8, 6)

    readout = block.read(activity)

    says = 0.94 * activity.mean((2, 3)) + 0.06 * activity.amax((2, 3))
    paper_s = (says - 0.05 * activity.amin((2, 3))) @ block.assignment()
    torch.testing.assert_close(readout.scaled_goodness.softmax(1), paper_s.softmax(1))
    assert readout.scaled_goodness.sum(1).abs().max() < 1e-5


def test_an_image_norm_makes_contrast_disappear() -> None:
    """Twice the contrast and another brightness give the same, channel by channel."""
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))

    for axes in ((2, 3), (1, 2, 3)):
        norm = ImageNorm(axes)
        torch.testing.assert_close(norm(2 * x + 7), norm(x), atol=1e-3, rtol=1e-3)
        assert norm(x).mean(axes).abs().max() < 1e-6
