"""Layer-local learning: nothing crosses from one layer to another."""

import copy
import functools

import pytest
import torch

from model.network.stack import ForwardForwardNetwork
from tests.training.networks import batch, learner, network
from training.objective.objective import Moment

AT = Moment(step=0, total_steps=1000)


def gradients(of: ForwardForwardNetwork) -> list[dict[str, torch.Tensor]]:
    """Give dicts, one for each layer, in which backward passes from now on leave the gradients.

    A step drops a layer's gradients when the layer has moved.
    """
    found: list[dict[str, torch.Tensor]] = []
    for layer in of.layers():
        found.append({})
        for name, parameter in layer.named_parameters():
            keep = functools.partial(_keep, found[-1], name)
            parameter.register_post_accumulate_grad_hook(keep)  # type: ignore[no-untyped-call]
    return found


def _keep(found: dict[str, torch.Tensor], name: str, parameter: torch.Tensor) -> None:
    assert parameter.grad is not None
    found[name] = parameter.grad.clone()


@pytest.mark.parametrize("convolutions", [(1,), (2,), (2, 1)])
@pytest.mark.parametrize("perturbed", [1, 2])
def test_a_later_layers_loss_changes_no_earlier_gradient(
    perturbed: int, convolutions: tuple[int, ...]
) -> None:
    """Perturb one layer's loss: its own gradients change, no earlier layer's do by a bit."""
    calm, perturbed_network = (network(convolutions=convolutions) for _ in range(2))
    with torch.no_grad():
        for parameter in perturbed_network.layers()[perturbed].assignment.parameters():
            parameter.add_(torch.randn(parameter.shape))
        perturbed_network.layers()[perturbed].scale.mul_(50)

    before, after = gradients(calm), gradients(perturbed_network)

    for each in (calm, perturbed_network):
        learner(each).step(*batch(), AT)

    for layer in range(perturbed):
        assert before[layer].keys() == after[layer].keys()
        assert all(torch.equal(before[layer][n], after[layer][n]) for n in before[layer])
    assert not torch.equal(before[perturbed]["conv.weight"], after[perturbed]["conv.weight"])


def test_two_convolutions_learn_from_their_layers_one_loss() -> None:
    """Both of each layer move in a step."""
    double = network(convolutions=(2,))
    before = {name: value.clone() for name, value in double.named_parameters()}

    learner(double).step(*batch(), AT)

    moved = {n for n, value in double.named_parameters() if not torch.equal(value, before[n])}
    for layer in range(3):
        assert f"blocks.{layer}.conv.weight" in moved
        assert f"blocks.{layer}.inner_conv.weight" in moved
        assert f"blocks.{layer}.inner_norm.weight" in moved


def test_a_loss_on_the_last_layer_reaches_only_the_last_layer() -> None:
    """Autograd itself finds no path from the last layer's loss to an earlier parameter."""
    whole = network()
    found = gradients(whole)

    whole.scaled_goodness(batch()[0])[:, -1].square().sum().backward()  # type: ignore[no-untyped-call]

    touched = [any(g.any() for g in layer.values()) for layer in found]
    assert touched == [False, False, True]


def test_every_layer_learns_from_its_own_loss() -> None:
    """Repeated steps on one batch lower the loss of every layer."""
    update = learner(network())

    losses = [update.step(*batch(), AT) for _ in range(30)]

    assert (losses[-1] < 0.7 * losses[0]).all()


def test_no_gradient_outlives_its_layers_step() -> None:
    """The gradients of all layers are never there side by side."""
    whole = network()

    learner(whole).step(*batch(), AT)

    assert all(parameter.grad is None for parameter in whole.parameters())


def test_a_resumed_optimizer_takes_the_same_step() -> None:
    """State saved and loaded gives bit-identical weights."""
    first = network()
    update = learner(first)
    update.step(*batch(), AT)
    again = network(seed=9)
    again.load_state_dict(first.state_dict())
    resumed = learner(again)
    resumed.load_state_dict(copy.deepcopy(update.state_dict()))

    for each in (update, resumed):
        each.step(*batch(), AT)

    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


@pytest.mark.parametrize("convolutions", [(1,), (2,)])
def test_only_convolutions_decay(convolutions: tuple[int, ...]) -> None:
    """A step with decay and one without differ in the convolutions, and nowhere else by a bit."""
    plain, decayed = (network(convolutions=convolutions) for _ in range(2))
    before = {name: value.clone() for name, value in plain.named_parameters()}

    learner(plain, weight_decay=0.0).step(*batch(), AT)
    learner(decayed, weight_decay=0.5).step(*batch(), AT)

    after = dict(decayed.named_parameters())
    for name, value in plain.named_parameters():
        if name.endswith("conv.weight"):
            torch.testing.assert_close(value - after[name], 0.01 * 2.5 * 0.5 * before[name])
        else:
            assert torch.equal(value, after[name]), name


def test_assignment_and_scale_learn_faster_by_the_given_factor() -> None:
    """AdamW's first step has the size of its rate: five times as far at a factor of five."""
    slow, fast = network(), network()
    before = {name: value.clone() for name, value in slow.named_parameters()}

    learner(slow, assignment_rate=1.0).step(*batch(), AT)
    learner(fast, assignment_rate=5.0).step(*batch(), AT)

    after = dict(fast.named_parameters())
    for name, value in slow.named_parameters():
        moved, further = value - before[name], after[name] - before[name]
        factor = 5.0 if name.endswith(("scale", "logits")) else 1.0
        torch.testing.assert_close(further, factor * moved, atol=1e-5, rtol=1e-3)


def test_long_gradients_are_scaled_down_and_short_ones_are_not() -> None:
    """Scaled layer by layer; AdamW's second step shows it, its first has always the same size."""
    free, bounded, loose = network(), network(), network()

    for of, limit in ((free, None), (bounded, 1e-3), (loose, 1e6)):
        update = learner(of, max_gradient_norm=limit)
        for _ in range(2):
            update.step(*batch(), AT)

    assert torch.equal(free.layers()[0].conv.weight, loose.layers()[0].conv.weight)
    assert not torch.equal(free.layers()[0].conv.weight, bounded.layers()[0].conv.weight)


def test_a_step_knows_how_far_a_temperature_has_fallen() -> None:
    """The epoch of the moment decides, so that a resumed run goes on as it was."""
    of = network(assignment="tempered")

    learner(of, freeze_after=()).step(*batch(), Moment(step=5, total_steps=10, epoch=2))

    decays = [block.assignment.get_buffer("decay").item() for block in of.layers()]
    assert decays == pytest.approx([0.995**2] * 3)


def test_a_fixed_assignment_stays_as_it_is() -> None:
    """Steps move the convolutions and the scale, not the partition."""
    fixed = network(assignment="fixed")
    before = copy.deepcopy(fixed.state_dict())

    learner(fixed).step(*batch(), AT)

    after = fixed.state_dict()
    assert torch.equal(
        after["blocks.0.assignment.partition"], before["blocks.0.assignment.partition"]
    )
    assert not torch.equal(after["blocks.0.conv.weight"], before["blocks.0.conv.weight"])
    assert not torch.equal(after["blocks.0.scale"], before["blocks.0.scale"])


def test_a_frozen_layer_stays_as_it_is_to_the_bit() -> None:
    """After its part of the run a layer moves no more, statistics included; the next ones do."""
    partly = network()
    update = learner(partly, freeze_after=(0.5,))
    update.step(*batch(), Moment(step=499, total_steps=1000))
    before = copy.deepcopy(partly.state_dict())

    losses = update.step(*batch(), Moment(step=500, total_steps=1000))

    after = partly.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert losses.isfinite().all()
    assert not any(name.startswith("blocks.0.") for name in changed)
    assert {"blocks.1.conv.weight", "blocks.2.conv.weight"} <= changed
