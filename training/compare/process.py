"""Doing one thing in a process that has done nothing before, so that its memory is its own."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import FrameType
from typing import TypeVar

from training.errors import LostProcessError

Given = TypeVar("Given")
Found = TypeVar("Found")


def in_fresh_process(task: Callable[[Given], Found], given: Given) -> Found:
    """Call a function in a new process; what it raises is raised here.

    Args:
        task: of a module, not a lambda: the process imports it.
        given: pickled on its way, as the answer is.

    Raises:
        LostProcessError: the process was killed, by the kernel for want of memory as a rule.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, task, given), daemon=True)
    with _sigterm_as_exit():
        process.start()
        theirs.close()  # or the end of the process would not be heard
        try:
            found, error = ours.recv()
        except EOFError:
            process.join()
            message = f"its process ended with status {process.exitcode}; was it out of memory?"
            raise LostProcessError(message) from None
        finally:
            # Nobody waits for it any more, whatever happened here.
            process.terminate()
            process.join()
            ours.close()
    if error is not None:
        raise error
    return found  # type: ignore[no-any-return]


def _answer(theirs: Connection, task: Callable[[Given], Found], given: Given) -> None:
    """Do it, in the new process, and send the answer or the error back."""
    try:
        theirs.send((task(given), None))
    except Exception as error:  # noqa: BLE001  it is raised in the process that asked
        theirs.send((None, error))


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM end this process by an exception, so that it takes the other one along."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
