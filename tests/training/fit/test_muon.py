"""Muon: what a step does to a convolution's weights."""

import copy

import pytest
import torch
from torch import nn

from tests.training.networks import batch, learner, network
from training.fit.muon import Muon, orthogonalised
from training.objective.objective import Moment

AT = Moment(0, 100)


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (12, 12)])
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    """Whatever they were, over two orders of magnitude; the singular vectors stay."""
    chance = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=chance), full_matrices=False)
    values = torch.logspace(0, -2, min(shape))
    matrix = left * values @ right

    found = orthogonalised(matrix)

    around = left.T @ found @ right.T
    assert 0.6 < around.diagonal().min() <= around.diagonal().max() < 1.3
    torch.testing.assert_close(around, around.diagonal().diag(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rank", [0, 1, 5, 40])
@pytest.mark.parametrize("shape", [(40, 360), (64, 27)])
def test_it_is_the_iteration_on_the_matrix_itself(shape: tuple[int, int], rank: int) -> None:
    """As in float64 without the short cut, also where channels are dead or directions faint."""
    chance = torch.Generator().manual_seed(2)
    left, values, right = torch.linalg.svd(
        torch.randn(shape, generator=chance, dtype=torch.float64), full_matrices=False
    )
    values[rank:] = 0
    values *= torch.logspace(0, -4, len(values), dtype=torch.float64)
    matrix = left * values @ right

    found = orthogonalised(matrix.float())

    expected = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        square = expected @ expected.T
        expected = 3.4445 * expected + (2.0315 * square @ square - 4.7750 * square) @ expected
    torch.testing.assert_close(found.double(), expected, atol=3e-4, rtol=0)


def test_a_step_has_the_size_of_its_rate() -> None:
    """The root mean square of a first step is a fifth of the rate, as Liu et al. chose it."""
    weight = nn.Parameter(torch.zeros(16, 4, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))

    Muon([weight], lr=0.1).step()

    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.02, rel=0.15)
    assert (weight * weight.grad).sum() < 0


def test_weights_decay_without_a_gradient_in_their_direction() -> None:
    """Decay is decoupled: the step itself is the same with it and without."""
    plain = nn.Parameter(torch.ones(4, 2, 3, 3))
    decayed = copy.deepcopy(plain)
    for weight in (plain, decayed):
        weight.grad = torch.arange(72.0).view(weight.shape)

    Muon([plain], lr=0.1).step()
    Muon([decayed], lr=0.1, weight_decay=0.5).step()

    torch.testing.assert_close(plain - decayed, torch.full_like(plain, 0.05))


def test_what_has_no_gradient_stays() -> None:
    """Not even decay moves it."""
    weight = nn.Parameter(torch.ones(4, 2, 3, 3))

    Muon([weight], lr=0.1, weight_decay=0.5).step()

    assert torch.equal(weight, torch.ones(4, 2, 3, 3))


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_restored_optimizer_takes_the_same_next_step(optimizer: str) -> None:
    """To the bit: the momentum is part of the state."""
    kept, other = network(), network()
    first, second = learner(kept, optimizer=optimizer), learner(other, optimizer=optimizer)
    first.step(*batch(), AT)
    other.load_state_dict(kept.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))

    losses = [update.step(*batch(), Moment(1, 100)) for update in (first, second)]

    assert torch.equal(*losses)
    for name, value in kept.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_a_checkpoint_of_another_optimizer_is_told() -> None:
    """The caller makes a message of it."""
    by_adam, by_muon = learner(network(), optimizer="adamw"), learner(network())
    by_adam.step(*batch(), AT)

    with pytest.raises(KeyError):
        by_muon.load_state_dict(by_adam.state_dict())


def test_an_older_state_is_that_of_adamw() -> None:
    """Before there was Muon, a layer's state was that of its one optimizer."""
    first, second = learner(network(), optimizer="adamw"), learner(network(), optimizer="adamw")
    first.step(*batch(), AT)

    second.load_state_dict([state["AdamW"] for state in first.state_dict()])

    for one, other in zip(first.state_dict(), second.state_dict(), strict=True):
        moments = [state["AdamW"]["state"][0]["exp_avg"] for state in (one, other)]
        assert torch.equal(*moments)
