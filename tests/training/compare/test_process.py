"""A process of its own: its answer, its error, and its end."""

import os
import signal

import pytest

from training.compare.process import in_fresh_process
from training.errors import DivergenceError, LostProcessError


def fail(message: str) -> None:
    """Raise one of our errors."""
    raise DivergenceError(message)


def die(number: int) -> None:
    """End as the kernel would end it."""
    os.kill(os.getpid(), number)


def pid(_: object) -> int:
    """Say which process this is."""
    return os.getpid()


def test_the_answer_comes_from_another_process() -> None:
    """And every call has a process of its own."""
    found = {in_fresh_process(pid, None) for _ in range(2)}

    assert len(found) == 2
    assert os.getpid() not in found


def test_its_error_is_raised_here() -> None:
    """With its type and its message."""
    with pytest.raises(DivergenceError, match="layer 2"):
        in_fresh_process(fail, "layer 2")


def test_a_process_that_is_killed_is_noticed() -> None:
    """Nobody waits for ever; the message gives the status."""
    with pytest.raises(LostProcessError, match="status -9; was it out of memory"):
        in_fresh_process(die, int(signal.SIGKILL))
