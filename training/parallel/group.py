"""The processes that train one network: what a run asks of them, and the one that is alone."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from torch import Tensor

from model.network.block import ForwardForwardBlock
from model.network.stack import ForwardForwardNetwork
from training.parallel.share import Share

T = TypeVar("T")


class Group(Protocol):
    """The processes of one run, each of which learns from its share of every batch.

    All of them take the same steps with the same weights. The leader alone reads and writes the
    run's folder, and tells the time. Every method is called by all, in the same order.
    """

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def is_leader(self) -> bool:
        """Whether this one writes, and decides what might differ."""

    def join(self, network: ForwardForwardNetwork) -> None:
        """Give a network the leader's weights, and norms by the statistics of whole batches."""

    def share(self, total: int) -> Share:
        """Say which rows of so many are this process' own; the shares in order are the whole."""

    def gathered(self, rows: Tensor, count: int) -> Tensor:
        """Put every process' rows together: `(n, ...)` of each, `(count, ...)` of all.

        A gradient flows back to this process' own rows.
        """

    def add_up(self, block: ForwardForwardBlock, then: Callable[[], None]) -> None:
        """Give a block the gradients of the whole batch, then call `then`, at once or later."""

    def settle(self) -> None:
        """Wait until everything that `add_up` began is done."""

    def told(self, read: Callable[[], T]) -> T:
        """Give what the leader reads; the others read nothing."""

    def awaited(self, make: Callable[[], T]) -> T:
        """Give what the leader makes, however long it takes; the others wait.

        Nothing within `make` calls a method of the group.
        """

    def any(self, is_so: bool) -> bool:  # noqa: FBT001  the one thing that is asked
        """Tell whether it is so for any process."""

    def in_turn(self, load: Callable[[], T]) -> T:
        """Have one process of a machine load before the others: what it caches, they find."""


class Alone:
    """One process, whose share is the whole batch."""

    size = 1
    is_leader = True

    def join(self, network: ForwardForwardNetwork) -> None:
        """Leave the network as it is."""

    def share(self, total: int) -> Share:
        """Take all rows."""
        return Share.whole(total)

    def gathered(self, rows: Tensor, count: int) -> Tensor:
        """Give the rows, which are all."""
        assert len(rows) == count  # noqa: S101  the share is the whole
        return rows

    def add_up(self, block: ForwardForwardBlock, then: Callable[[], None]) -> None:
        """Leave the block's gradients as they are."""
        assert block.training  # noqa: S101  only a block that learns has gradients
        then()

    def settle(self) -> None:
        """Wait for nothing."""

    def told(self, read: Callable[[], T]) -> T:
        """Read."""
        return read()

    def awaited(self, make: Callable[[], T]) -> T:
        """Make."""
        return make()

    def any(self, is_so: bool) -> bool:  # noqa: FBT001  as the group's
        """Tell whether it is so."""
        return is_so

    def in_turn(self, load: Callable[[], T]) -> T:
        """Load."""
        return load()


ALONE: Group = Alone()
