"""Processes that cannot start, and addresses that are taken."""

import asyncio
import logging
import multiprocessing
import socket

import pytest

from service.processes.door import ListenError, bound_socket
from service.processes.process import Target
from service.processes.supervisor import StartError, Supervisor
from tests.service.processes import targets


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (targets.fail_to_start, "exit code 3: MemoryError: no room for the model"),
        (targets.die_silently, "exit code 11"),
    ],
)
def test_processes_that_cannot_start_are_given_up(
    target: Target, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Four tries each, ever later, each with its reason; then an error that has it too."""

    async def serve() -> None:
        await Supervisor(bound_socket("127.0.0.1", 0), target, 1, grace_s=1).run()

    with caplog.at_level(logging.ERROR, "goodserve"), pytest.raises(StartError, match=why):
        asyncio.run(serve())

    assert [record.getMessage().partition("; ")[2] for record in caplog.records] == [
        "another one starts in 0.5 s",
        "another one starts in 1 s",
        "another one starts in 2 s",
    ]
    assert all(why in record.getMessage() for record in caplog.records)


def test_whoever_replaces_a_process_has_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """Two processes that end again and again have two places."""

    async def serve() -> None:
        listener = bound_socket("127.0.0.1", 0)
        await Supervisor(listener, targets.say_place, 2, grace_s=1).run()

    with caplog.at_level(logging.ERROR, "goodserve"), pytest.raises(StartError):
        asyncio.run(serve())

    places = [record.getMessage().partition("place ")[2][0] for record in caplog.records]
    assert len(places) == 7
    assert set(places) <= {"0", "1"}


def test_an_address_that_is_taken_is_told() -> None:
    """Which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ListenError, match=f"127.0.0.1, port {port}: Address already in use"):
            bound_socket("127.0.0.1", port)


def test_an_address_that_is_taken_meanwhile_ends_it() -> None:
    """Two may bind it; who listens later is told, and leaves no process behind."""
    listener = bound_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()

        with pytest.raises(ListenError, match=f"127.0.0.1, port {port}: Address already in use"):
            asyncio.run(Supervisor(listener, targets.be_ready_and_sleep, 2, grace_s=1).run())

    assert not multiprocessing.active_children()
