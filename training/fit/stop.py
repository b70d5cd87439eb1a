"""Ctrl-C and SIGTERM as a request that training answers at the end of a step."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):  # noqa: N818  it is no error: the run can be resumed
    """The run was asked to stop, and has stored where it was."""


class StopRequest:
    """Remembers that a signal asked the run to stop."""

    def __init__(self, agreed: Callable[[bool], bool]) -> None:
        """Begin with nothing asked; `agreed` tells whether any process of the run was asked."""
        self._agreed = agreed
        self._is_asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self._is_asked = True

    @property
    def is_set(self) -> bool:
        """Whether the run is to stop."""
        return self._agreed(self._is_asked)

    def answer(self, message: str) -> None:
        """Stop if that was asked for.

        Raises:
            Interrupted: with the message, which says where the run stopped.
        """
        if self.is_set:
            raise Interrupted(message)


@contextmanager
def stop_on_signals(agreed: Callable[[bool], bool]) -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request that the loop answers after its step.

    Another thread than the main one gets no signals: there only `agreed` can tell.
    """
    stop = StopRequest(agreed)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
