"""The end-to-end baseline: the network's own arithmetic, with gradients that cross layers."""

import pytest
import torch

from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.training.networks import batch, network
from training.compare.backprop import (
    BackpropUpdate,
    connected,
    last_goodness,
    learned,
    network_input,
)
from training.fit.step import LocalUpdate
from training.objective.objective import Moment, Objective
from training.settings.sections import ObjectiveSettings, OptimiserSettings

AT = Moment(step=0, total_steps=1000)
STEADY = OptimiserSettings(learning_rate=0.01, warmup_fraction=0.0, freeze_after=())


def test_the_forward_pass_is_the_networks_own() -> None:
    """In training mode every layer's activity is what the detached network gives, to 1e-5."""
    ours, theirs = network(), network()
    images, _ = batch()

    x = network_input(ours, images, "float32")
    for block, expected in theirs.activities(images):
        activity, x = connected(ours.layers()[theirs.layers().index(block)], x)
        torch.testing.assert_close(activity, expected, atol=1e-5, rtol=1e-5)


def test_the_score_on_top_is_the_networks_own() -> None:
    """What is learned from is the last layer's readout, to 1e-5."""
    images, _ = batch()

    found = last_goodness(network(), images)

    expected = network().scaled_goodness(images)[:, -1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_gradients_cross_every_layer() -> None:
    """From the loss on top they reach the convolution and the norm of the first layer."""
    whole = network()

    torch.autograd.backward(last_goodness(whole, batch()[0]).square().sum())

    for block in whole.layers():
        for parameter in (block.conv.weight, *block.norm.parameters()):
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0


def test_it_learns_every_parameter_that_it_counts() -> None:
    """A step moves those, and leaves the readouts below the last layer alone."""
    whole = network()
    before = {id(p): p.detach().clone() for p in whole.parameters()}

    BackpropUpdate(whole, STEADY).step(*batch(), AT)

    moved = {id(p) for p in whole.parameters() if not torch.equal(before[id(p)], p)}
    assert moved == {id(p) for p in learned(whole)}
    assert len(moved) < len(before)


def test_repeated_steps_lower_the_loss() -> None:
    """It learns."""
    update = BackpropUpdate(network(), STEADY)

    losses = [update.step(*batch(), AT).item() for _ in range(30)]

    assert losses[-1] < 0.5 * losses[0]


def shallow() -> ForwardForwardNetwork:
    """Make a network of one layer."""
    spec = NetworkSpec(16, 16, 4, (6,), (), 2, shortcut=True, assignment="learnable")
    return ForwardForwardNetwork(spec, seed=0).train()


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_one_layer_alone_learns_the_same_either_way(rate: float) -> None:
    """Of one layer there is nothing to cross: both steps are the same."""
    plain = ObjectiveSettings.model_validate(
        {"terms": {name: {"weight": 0} for name in ("entropy", "orthogonality", "similarity")}}
    )
    settings = STEADY.model_copy(update={"assignment_rate": rate})
    local, whole = shallow(), shallow()

    LocalUpdate(local, settings, Objective(plain)).step(*batch(), AT)
    BackpropUpdate(whole, settings).step(*batch(), AT)

    for name, value in local.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[name], atol=1e-5, rtol=1e-4, msg=name)
