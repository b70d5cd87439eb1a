"""Ctrl-C and SIGTERM as a request that training answers at the end of a step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):  # noqa: N818  it is no error: the run can be resumed
    """The run was asked to stop, and has stored where it was."""


class StopRequest:
    """Remembers that a signal asked the run to stop."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.is_set = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self.is_set = True

    def answer(self, message: str) -> None:
        """Stop if that was asked for.

        Raises:
            Interrupted: with the message, which says where the run stopped.
        """
        if self.is_set:
            raise Interrupted(message)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request that the loop answers after its step."""
    stop = StopRequest()
    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
