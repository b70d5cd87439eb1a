"""Assignments: what they begin as, what they learn, and what is said of them."""

import dataclasses
import math

import pytest
import torch

from model.network.assignment import (
    ASSIGNMENTS,
    FixedAssignment,
    LearnableAssignment,
    TemperedAssignment,
    assignment_entropy,
    assignment_overlap,
    column_entropy,
    equal_partition,
)
from model.network.rule import AssignmentKind
from model.network.spec import BlockSpec

SPEC = BlockSpec(
    name="stem",
    in_channels=3,
    channels=8,
    starts_stage=False,
    has_shortcut=False,
    regions=(2, 3),
    num_classes=5,
    assignment="learnable",
)


def chance(seed: int = 0) -> torch.Generator:
    """Make chance that can be repeated."""
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["learnable", "tempered", "fixed"])
def test_every_assignment_gives_rows_that_sum_to_one(kind: AssignmentKind) -> None:
    """Whatever its kind, an assignment is `(D, K)` and deals each channel-region out whole."""
    assignment = ASSIGNMENTS[kind](SPEC, chance())()

    assert assignment.shape == (8 * 6, 5)
    torch.testing.assert_close(assignment.sum(1), torch.ones(48))


def test_a_learnable_assignment_begins_nearly_undecided() -> None:
    """It starts near uniform, not at a partition, and its noise comes from the generator."""
    first, again, other = (LearnableAssignment(SPEC, chance(seed))() for seed in (1, 1, 2))

    assert assignment_entropy(first).item() > 0.999
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_tempered_assignment_begins_undecided_and_the_channels_part() -> None:
    """Equal logits get gradients that differ, for the channels say different things."""
    assignment = TemperedAssignment(SPEC, chance())
    assert torch.equal(assignment(), torch.full((48, 5), 0.2))

    goodness = torch.rand(7, 48, generator=chance()) @ assignment()
    loss = torch.nn.functional.cross_entropy(goodness, torch.arange(7) % 5)
    loss.backward()  # type: ignore[no-untyped-call]

    gradient = assignment.logits.grad
    assert gradient is not None
    assert len({tuple(row) for row in gradient.tolist()}) == 48
    assert gradient.std(1).min() > 0


def test_a_temperature_falls_with_the_epochs_and_decides() -> None:
    """It begins as asked and falls by the same factor each epoch; what is learned is bounded."""
    spec = dataclasses.replace(SPEC, assignment_temperature=2.0, temperature_decay=0.5)
    assignment = TemperedAssignment(spec, chance())
    with torch.no_grad():
        assignment.logits.normal_(generator=chance())
    undecided = assignment_entropy(assignment())

    temperatures = []
    for epoch in (0, 1, 3):
        assignment.begin_epoch(epoch)
        temperatures.append(assignment.temperature().item())
    decided = assignment_entropy(assignment())
    with torch.no_grad():
        assignment.log_temperature.fill_(50)

    assert temperatures == pytest.approx([2.0, 1.0, 0.25])
    assert decided < undecided
    assert assignment.temperature().item() == pytest.approx(100 / 8)


def test_column_entropy_tells_decided_from_undecided() -> None:
    """In nats: 0 for one class per channel, and the mean class's sum where none is preferred."""
    assert column_entropy(torch.eye(4)).item() == pytest.approx(0)
    assert column_entropy(torch.full((8, 4), 0.25)).item() == pytest.approx(2 * math.log(4))


def test_a_fixed_assignment_has_nothing_to_learn() -> None:
    """It is a buffer, stored with the weights, and no parameter."""
    assignment = FixedAssignment(SPEC, chance())

    assert list(assignment.parameters()) == []
    assert list(assignment.state_dict()) == ["partition"]


def test_a_fixed_assignment_with_too_few_channels_is_refused() -> None:
    """The block cannot be built, and the message says what to change."""
    spec = dataclasses.replace(SPEC, channels=4)

    with pytest.raises(ValueError, match="4 channels, 5 classes; widen the layer"):
        FixedAssignment(spec, chance())


def test_entropy_tells_decided_from_undecided() -> None:
    """One class per channel costs 0; all classes alike cost 1."""
    decided = torch.eye(4)
    undecided = torch.full((4, 4), 0.25)

    assert assignment_entropy(decided).item() == pytest.approx(0)
    assert assignment_entropy(undecided).item() == pytest.approx(1)


def test_overlap_tells_own_channels_from_shared_ones() -> None:
    """Classes with channels of their own cost 0; classes with the same ones cost 1."""
    assert assignment_overlap(torch.eye(4)).item() == 0
    assert assignment_overlap(torch.full((6, 3), 1 / 3)).item() == pytest.approx(1)


@pytest.mark.parametrize(("channels", "num_classes"), [(10, 10), (48, 10), (7, 3), (200, 200)])
def test_fixed_assignment_is_an_equal_partition(channels: int, num_classes: int) -> None:
    """Every channel-region speaks for one class, and classes differ by one channel at most."""
    assignment = equal_partition(channels, (2, 2), num_classes)

    owned = assignment.sum(0) / 4
    assert assignment.shape == (channels * 4, num_classes)
    assert (assignment.sum(1) == 1).all()
    assert owned.max() - owned.min() <= 1


def test_fixed_assignment_needs_a_channel_per_class() -> None:
    """With fewer channels than classes some class would have none: that is refused."""
    with pytest.raises(ValueError, match="8 channels, 10 classes; widen the layer"):
        equal_partition(8, (1, 1), 10)


def test_a_decided_assignment_does_not_break_the_gradient() -> None:
    """Where a probability underflows to 0 the entropy's slope is infinite, the gradient is not."""
    logits = torch.tensor([[120.0, 0.0, 0.0], [0.0, 0.5, 0.0]], requires_grad=True)

    assignment_entropy(torch.softmax(logits, 1)).backward()  # type: ignore[no-untyped-call]

    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1].abs().max() > 0
