"""One server process, real but small, as its supervisor sees it."""

import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from service.processes.process import ServerProcess, Target
from tests.service.processes import targets


class Clock:
    """Stands still until it is told to go on."""

    now_s = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s


@contextmanager
def started(target: Target, clock: Clock) -> Iterator[ServerProcess]:
    """Start a process, and wait for its first words."""
    process = ServerProcess(target, clock=clock)
    try:
        assert select.select([process.channel], [], [], 60)[0]
        process.hear()
        yield process
    finally:
        with suppress(ValueError):  # it is buried already
            process.signal(signal.SIGKILL)
            process.bury()


def test_a_connection_on_its_way_to_a_process_that_dies_comes_back() -> None:
    """Another process can serve it: nothing was read from it."""
    with started(targets.be_ready_and_sleep, Clock()) as process:
        ours, theirs = socket.socketpair()
        assert process.give(theirs)
        ours.sendall(b"hello")

        process.signal(signal.SIGKILL)

        with ours, theirs:
            assert process.bury() == "signal SIGKILL"
            assert process.untaken() == [theirs]
            assert theirs.recv(5) == b"hello"


def test_a_process_that_has_died_takes_no_connection() -> None:
    """Not even before its end is noticed."""
    with started(targets.be_ready_and_sleep, Clock()) as process:
        process.signal(signal.SIGKILL)
        assert select.select([process.channel], [], [], 60)[0]

        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert not process.give(theirs)

        assert not process.can_take()


def test_a_process_that_takes_nothing_is_not_filled_up() -> None:
    """Some hundred connections on the way are enough; the others go elsewhere."""
    with started(targets.be_ready_and_sleep, Clock()) as process:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            while process.can_take() and process.connections < 1000:
                assert process.give(theirs.dup())
            for connection in process.untaken():
                connection.close()

        assert 10 < process.connections < 1000


def test_silence_costs_new_connections_then_life() -> None:
    """A process that is late gets none; one that stays silent counts as hung."""
    clock = Clock()
    with started(targets.be_ready_and_sleep, clock) as process:
        clock.now_s = 2
        assert (process.can_take(), process.is_hung) == (True, False)
        clock.now_s = 4
        assert (process.can_take(), process.is_hung) == (False, False)
        clock.now_s = 16
        assert (process.can_take(), process.is_hung) == (False, True)


def test_last_words_are_kept() -> None:
    """A process that could not start says why."""
    with started(targets.fail_to_start, Clock()) as process:
        assert process.bury() == "exit code 3: MemoryError: no room for the model"
        assert not process.was_ready


def test_silence_counts_from_when_it_can_be_heard_again() -> None:
    """After a pause of all processes what they have to say comes only now."""
    clock = Clock()
    with started(targets.be_ready_and_sleep, clock) as process:
        clock.now_s = 20.0
        assert process.is_hung

        process.forgive()

        assert (process.is_hung, process.can_take()) == (False, True)
        clock.now_s = 36.0
        assert process.is_hung
