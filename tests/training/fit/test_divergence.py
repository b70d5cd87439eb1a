"""Losses and weights that are no numbers: named by layer and step, noticed within dozens."""

import pytest
import torch

from tests.training.networks import network
from training.errors import DivergenceError
from training.fit.divergence import (
    DivergenceWatch,
    refuse_broken_goodness,
    refuse_broken_weights,
)
from training.fit.position import Position

NONE = torch.zeros(3)


def see_all(watch: DivergenceWatch, losses: list[torch.Tensor]) -> None:
    """Show the losses of the fifth epoch, step by step."""
    for step, some in enumerate(losses, start=1):
        watch.see(some, Position(4, step, NONE))


def test_the_first_bad_loss_is_named_within_dozens_of_steps() -> None:
    """The second layer's loss is infinite in step 41, and later everything is NaN."""
    bad = torch.tensor([0.1, float("inf"), 0.1])
    losses = [NONE] * 40 + [bad] + [bad * float("nan")] * 32

    with pytest.raises(DivergenceError, match=r"layer 2 diverged in epoch 5, step 41: .* inf"):
        see_all(DivergenceWatch(), losses)


def test_a_look_in_between_finds_what_is_left() -> None:
    """Before a checkpoint the last few steps are looked at, and counted from there on."""
    watch = DivergenceWatch()
    for step in (1, 2, 3):
        watch.see(NONE, Position(0, step, NONE))
    watch.look(Position(0, 3, NONE))
    watch.see(torch.tensor([float("nan"), 0, 0]), Position(0, 4, NONE))

    with pytest.raises(DivergenceError, match="layer 1 diverged in epoch 1, step 4"):
        watch.look(Position(0, 4, NONE))


@pytest.mark.parametrize("name", ["conv.weight", "norm.running_var"])
def test_a_weight_that_is_no_number_is_refused(name: str) -> None:
    """The loss before the step that broke it was a number."""
    net = network()
    net.layers()[2].state_dict()[name].view(-1)[0] = float("nan")

    with pytest.raises(DivergenceError, match=r"layer 3 diverged in epoch 1, step 9: .* weight"):
        refuse_broken_weights(net, Position(0, 9, NONE))


def test_goodness_that_is_no_number_is_refused() -> None:
    """Finite weights may still overflow on the validation images."""
    goodness = torch.zeros(5, 3, 4)
    refuse_broken_goodness(goodness)
    goodness[4, 1, 0] = float("inf")

    with pytest.raises(DivergenceError, match="layer 2 diverged in validation"):
        refuse_broken_goodness(goodness)
