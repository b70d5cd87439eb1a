"""Waiting for another process' work for as long as it takes, while that process lives."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import TypeVar

from training.errors import LostProcessError

T = TypeVar("T")


class State(IntEnum):
    """How far a process is; of all processes the highest counts."""

    DONE = 0
    BUSY = 1
    FAILED = 2


class _Own:
    """What this process says of itself, and whether its work is over."""

    def __init__(self) -> None:
        self.state = State.BUSY
        self.is_over = threading.Event()

    def end(self, state: State) -> None:
        self.state = state
        self.is_over.set()


def patiently(work: Callable[[], T], highest: Callable[[int], int], every_s: float) -> T:
    """Do this process' work, and wait until all processes have done theirs.

    A collective call has a limit, which long work of one process would exceed. So all of them meet
    again and again, in a thread beside the work, and only that meeting has the limit.

    Args:
        work: of this process, without any collective call.
        highest: the collective call: takes this process' number, gives the highest of all.
        every_s: seconds between two meetings while somebody is busy.

    Raises:
        LostProcessError: another process has failed, has ended or does not answer.
    """
    own = _Own()
    with ThreadPoolExecutor(1, "patience") as pool:
        meetings = pool.submit(_meet, own, highest, every_s)
        try:
            result = work()
            own.end(State.DONE)
            meetings.result()
        except BaseException:
            # Said to the others, who wait for this process or will need it.
            own.end(State.FAILED)
            raise
    return result


def _meet(own: _Own, highest: Callable[[int], int], every_s: float) -> None:
    """Meet the others until all are done, or one has failed."""
    found = State.BUSY
    while found == State.BUSY:
        own.is_over.wait(every_s)
        found = State(highest(own.state))
    if found == State.FAILED:
        message = "another process of this run has failed; what it printed says why"
        raise LostProcessError(message)
