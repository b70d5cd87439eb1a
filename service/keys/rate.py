"""How often a key may ask: one number per key, shared by all processes.

The generic cell rate algorithm is a token bucket that needs no timer. Its one number is the moment
at which a caller who never hurried would come next; how far it lies ahead says how much of the
burst is used up. The number lies in memory that processes map together, so a key has its rate
however its connections are spread. Nothing locks it: two processes that answer within the same
microsecond may count one request between them, which lets a little more through and never less.
"""

import mmap
import os
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_CELL_BYTES = 8
# Sums of many small steps: a burst of ten must not become one of nine by rounding.
_ROUNDING_S = 1e-9


class Cell(Protocol):
    """Holds one float."""

    def __getitem__(self, index: int, /) -> float:
        """Give it."""

    def __setitem__(self, index: int, value: float, /) -> None:
        """Change it."""


OpenCell = Callable[[str], Cell]


def own_cell(_of: str) -> Cell:
    """Make a cell that this process alone has."""
    return array("d", [0.0])


def shared_cells(folder: Path) -> OpenCell:
    """Say how to open cells that all processes with this folder share, one for each key's id."""

    def open_cell(of: str) -> Cell:
        descriptor = os.open(folder / f"rate-{of}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _CELL_BYTES)
            return memoryview(mmap.mmap(descriptor, _CELL_BYTES)).cast("d")
        finally:
            os.close(descriptor)

    return open_cell


class Bucket:
    """Lets `rate` requests a second through, and `burst` at once."""

    def __init__(
        self, rate: float, burst: int, cell: Cell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count in a cell; `clock` gives seconds that are the same in every process."""
        self._step_s = 1 / rate
        self._ahead_s = (burst - 1) * self._step_s + _ROUNDING_S
        self._cell = cell
        self._clock = clock

    def take(self) -> float:
        """Let a request through, and give 0; or give the seconds after which there is room."""
        now = self._clock()
        latest = now + self._ahead_s + self._step_s
        # It is further ahead than this rate can lead where the key had a slower one before.
        self._cell[0] = min(self._cell[0], latest)
        due = max(self._cell[0], now)
        wait_s = due - now - self._ahead_s
        if wait_s > 0:
            return wait_s + _ROUNDING_S
        self._cell[0] = due + self._step_s
        return 0.0
