"""Work of one process for which the others wait, however long it takes, but not for ever."""

import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.training.parallel.launch import ended, ranks
from training.errors import LostProcessError
from training.parallel.patience import patiently

HANGS_S = 60


class Meetings:
    """A collective call of two threads, that counts how often they met."""

    def __init__(self) -> None:
        """Begin before the first time."""
        self.met = 0
        self.fifth = threading.Event()
        self._said: list[int] = []
        self._highest = 0
        self._barrier = threading.Barrier(2, self._compare)

    def __call__(self, number: int) -> int:
        """Give the higher of both numbers."""
        self._said.append(number)
        self._barrier.wait(HANGS_S)
        return self._highest

    def _compare(self) -> None:
        self._highest = max(self._said)
        self._said.clear()
        self.met += 1
        if self.met == 5:
            self.fifth.set()


def beside(
    one: Callable[[], object], two: Callable[[], object], meetings: Meetings
) -> tuple[Future[object], Future[object]]:
    """Do the work of two processes; give what each came to."""
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(patiently, work, meetings, 1e-3) for work in (one, two))
    return first, second


def test_all_wait_for_work_that_takes_longer_than_a_meeting() -> None:
    """Work that ends after five meetings, each of which has the limit, is waited for."""
    meetings = Meetings()

    def work() -> str:
        assert meetings.fifth.wait(HANGS_S)
        return "made"

    made, other = beside(work, lambda: None, meetings)

    assert made.result() == "made"
    assert other.result() is None
    assert meetings.met >= 6


@pytest.mark.parametrize("is_busy", [False, True])
def test_work_that_fails_ends_the_others(*, is_busy: bool) -> None:
    """At the end of their own work at the latest; who failed gets its own error."""
    meetings, is_over = Meetings(), threading.Event()

    def fail() -> None:
        is_over.set()
        message = "no such picture"
        raise ValueError(message)

    failed, other = beside(fail, lambda: is_busy and is_over.wait(HANGS_S), meetings)

    with pytest.raises(ValueError, match="no such picture"):
        failed.result()
    with pytest.raises(LostProcessError, match="another process of this run has failed"):
        other.result()


def test_a_leader_that_is_killed_in_its_work_ends_the_others() -> None:
    """Real processes: they are told by the lost connection, not by a limit of time."""
    leader, *others = ranks([[sys.executable, "-m", "tests.training.parallel.lost"]] * 3)

    assert ended(leader)[0] == -signal.SIGKILL
    for process in others:
        status, output, errors = ended(process)
        assert status == 0, errors
        assert "another process of this run has ended or does not answer" in output
