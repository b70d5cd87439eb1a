"""The stack of blocks: shapes, locality, exact decomposition."""

import dataclasses

import pytest
import torch
from torch import nn

from model.network.stack import ForwardForwardNetwork, layer_weights
from tests.model.network.networks import SPEC, images, settled


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


def test_one_image_is_answered_as_in_company() -> None:
    """In evaluation mode no image depends on its neighbours."""
    network = settled()

    together = network(images()).scores
    alone = torch.cat([network(image[None]).scores for image in images()])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


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


def test_a_block_of_another_kind_is_not_left_out() -> None:
    """A foreign block fails when it is used: silence would drop it from the score."""
    network = ForwardForwardNetwork(SPEC, seed=0).eval()

    network.blocks.append(nn.Identity())

    assert len(network.layers()) == 4
    with pytest.raises(AttributeError, match="prepared"):
        network(images())


def test_a_block_that_only_behaves_like_one_is_used() -> None:
    """What counts is what a block does: a subclass of `nn.Module` around one is a layer."""

    class Wrapped(nn.Module):
        def __init__(self, block: nn.Module) -> None:
            super().__init__()
            self.block = block
            for name in ("prepared", "activity", "read", "pass_on", "spec"):
                setattr(self, name, getattr(block, name))

    network = settled()
    expected = network(images())

    network.blocks[1] = Wrapped(network.blocks[1])

    assert torch.equal(network(images()).scores, expected.scores)


def test_weights_of_another_network_are_refused() -> None:
    """A state dict with a name too many or too few does not load in part."""
    network = ForwardForwardNetwork(SPEC, seed=0)
    fixed = ForwardForwardNetwork(dataclasses.replace(SPEC, assignment="fixed"), seed=0)

    with pytest.raises(RuntimeError, match=r"Missing key.*assignment\.logits"):
        network.load_state_dict(fixed.state_dict())


def test_layer_weights_follow_the_losses() -> None:
    """A smaller loss weighs more; an infinite temperature weighs all alike."""
    losses = torch.tensor([1.5, 0.5, 1.0])

    sharp = layer_weights(losses, 0.1)
    flat = layer_weights(losses, float("inf"))

    assert sharp.argsort(descending=True).tolist() == [1, 2, 0]
    assert sharp.sum().item() == pytest.approx(1)
    torch.testing.assert_close(flat, torch.full((3,), 1 / 3))
