"""What a fleet decides, without a cluster: how many replicas, and which are listed."""

from dataclasses import dataclass
from typing import Any

import pytest

from service.cluster.directory import Directory, Listed
from service.cluster.queue_policy import WAITING, QueuePolicy


@dataclass
class Told:
    """What Ray Serve tells of a deployment."""

    aggregated_metrics: dict[str, dict[Any, float]] | None = None
    target_num_replicas: int = 3


@pytest.mark.parametrize(
    ("waiting", "wanted"),
    [([0.0], 1), ([10.0], 1), ([10.1], 2), ([30.0, 0.0], 3), ([5.0, 5.0, 5.0], 2)],
)
def test_replicas_follow_the_images_that_wait(waiting: list[float], wanted: int) -> None:
    """As many as leave each its target; a queue anywhere counts."""
    told = Told({WAITING: dict(enumerate(waiting))})

    assert QueuePolicy(10)(told) == (wanted, {})


@pytest.mark.parametrize("told", [None, {}, {WAITING: {}}])
def test_nothing_changes_before_replicas_have_told(told: dict[str, Any] | None) -> None:
    """A fleet that has just begun is not cut down."""
    assert QueuePolicy(10)(Told(told)) == (3, {})


def test_a_replica_that_is_not_heard_of_is_left_out() -> None:
    """After five seconds; one that says that it ends, at once."""
    now = 100.0
    directory = Directory(clock=lambda: now)
    first, second = Listed("10.0.0.1:80", "a", 1), Listed("10.0.0.2:80", "b", 2)
    directory.beat(*second)
    directory.beat(*first)
    assert directory.listed() == [first, second]

    now += 4
    directory.beat(*first)
    now += 2
    assert directory.listed() == [first]

    directory.forget(*first)
    assert directory.listed() == []
