"""The share of a batch that one of several processes learns from."""

import itertools
from typing import NamedTuple

from torch import Tensor


class Share(NamedTuple):
    """A run of rows of a batch.

    Attributes:
        start: the first row.
        stop: the row after the last.
        total: rows of the whole batch.
    """

    start: int
    stop: int
    total: int

    @property
    def size(self) -> int:
        """How many rows it has."""
        return self.stop - self.start

    @classmethod
    def whole(cls, total: int) -> "Share":
        """Take all rows."""
        return cls(0, total, total)

    @classmethod
    def each(cls, total: int, sharers: int) -> list["Share"]:
        """Deal rows out, in order, in runs whose lengths differ by at most one."""
        edges = [index * total // sharers for index in range(sharers + 1)]
        return [cls(start, stop, total) for start, stop in itertools.pairwise(edges)]

    def of(self, rows: Tensor) -> Tensor:
        """Take the share of `(total, ...)`."""
        return rows[self.start : self.stop]
