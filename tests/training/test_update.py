"""Layer-local learning: nothing crosses from one layer to another."""

import copy

import pytest
import torch

from model.network.stack import ForwardForwardNetwork, NetworkSpec
from training.config import FitSettings
from training.update import LocalUpdate, Schedule, schedule

SETTINGS = FitSettings(data="folder:x", widths=(6, 6, 8), pool_before=(3,), precision="float32")
AT = Schedule(learning_rate=0.01, entropy_weight=0.1, orthogonality_weight=0.1)


def network(seed: int = 0) -> ForwardForwardNetwork:
    """Make a network of three layers."""
    spec = NetworkSpec(16, 16, 4, (6, 6, 8), (3,), 2, shortcut=True, assignment="learnable")
    return ForwardForwardNetwork(spec, seed).train()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images and labels."""
    chance = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (12, 16, 16, 3), dtype=torch.uint8, generator=chance)
    return images, torch.randint(0, 4, (12,), generator=chance)


def gradients(of: ForwardForwardNetwork) -> list[dict[str, torch.Tensor]]:
    """Copy every layer's gradients."""
    return [
        {name: p.grad.clone() for name, p in layer.named_parameters() if p.grad is not None}
        for layer in of.layers()
    ]


@pytest.mark.parametrize("perturbed", [1, 2])
def test_a_later_layers_loss_changes_no_earlier_gradient(perturbed: int) -> None:
    """Perturb one layer's loss: its own gradients change, no earlier layer's do by a bit."""
    calm, perturbed_network = network(), network()
    with torch.no_grad():
        perturbed_network.layers()[perturbed].scale.mul_(50)
        perturbed_network.layers()[perturbed].assignment_logits.add_(
            torch.randn(perturbed_network.layers()[perturbed].assignment_logits.shape)
        )

    for each in (calm, perturbed_network):
        LocalUpdate(each, SETTINGS).step(*batch(), AT)

    before, after = gradients(calm), gradients(perturbed_network)
    for layer in range(perturbed):
        assert before[layer].keys() == after[layer].keys()
        assert all(torch.equal(before[layer][n], after[layer][n]) for n in before[layer])
    assert not torch.equal(before[perturbed]["conv.weight"], after[perturbed]["conv.weight"])


def test_a_loss_on_the_last_layer_reaches_only_the_last_layer() -> None:
    """Autograd itself finds no path from the last layer's loss to an earlier parameter."""
    whole = network()

    whole.scaled_goodness(batch()[0])[:, -1].square().sum().backward()  # type: ignore[no-untyped-call]

    touched = [any(g.any() for g in layer.values()) for layer in gradients(whole)]
    assert touched == [False, False, True]


def test_every_layer_learns_from_its_own_loss() -> None:
    """Repeated steps on one batch lower the loss of every layer."""
    learner = LocalUpdate(network(), SETTINGS)

    losses = [learner.step(*batch(), AT) for _ in range(30)]

    assert (losses[-1] < 0.7 * losses[0]).all()


def test_a_resumed_optimizer_takes_the_same_step() -> None:
    """State saved and loaded gives bit-identical weights."""
    first = network()
    learner = LocalUpdate(first, SETTINGS)
    learner.step(*batch(), AT)
    again = network(seed=9)
    again.load_state_dict(first.state_dict())
    resumed = LocalUpdate(again, SETTINGS)
    resumed.load_state_dict(copy.deepcopy(learner.state_dict()))

    for each in (learner, resumed):
        each.step(*batch(), AT)

    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_only_the_convolution_decays() -> None:
    """With no gradient signal but decay, norm, scale and assignment stay as they are."""
    settings = SETTINGS.model_copy(update={"weight_decay": 0.5})

    groups = LocalUpdate(network(), settings).state_dict()[0]["param_groups"]

    assert [(group["weight_decay"], group["rate"]) for group in groups] == [
        (0.5, 1.0),
        (0.0, 1.0),
        (0.0, 5.0),
    ]


def test_the_rate_rises_for_a_fifth_and_falls_to_zero() -> None:
    """The learning rate peaks after a fifth of the steps and ends near zero."""
    rates = [schedule(SETTINGS, step, 100).learning_rate for step in range(100)]

    assert rates[19] == pytest.approx(max(rates)) == pytest.approx(0.008)
    assert rates == sorted(rates[:20]) + sorted(rates[20:], reverse=True)
    assert rates[-1] == pytest.approx(0.008 / 80)


def test_the_prices_of_the_assignment_rise_from_zero() -> None:
    """Both regularisers warm up over the given part of the run, then stay."""
    prices = [schedule(SETTINGS, step, 100).entropy_weight for step in (0, 24, 49, 99)]

    assert prices == pytest.approx([0.002, 0.05, 0.1, 0.1])
