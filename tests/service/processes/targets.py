"""What the tests' small processes run in place of the service."""

import socket
import sys
import time

from service.processes.channel import READY, Channel


def fail_to_start(end: socket.socket, _place: int) -> None:
    """Say why, and end."""
    Channel(end).failed("MemoryError: no room for the model")
    sys.exit(3)


def die_silently(end: socket.socket, _place: int) -> None:
    """End as if by a crash in C."""
    del end
    sys.exit(11)


def be_ready_and_sleep(end: socket.socket, _place: int) -> None:
    """Say that it is ready, then take no connection."""
    end.send(bytes([READY]))
    time.sleep(60)


def say_place(end: socket.socket, place: int) -> None:
    """Tell its place, and end."""
    Channel(end).failed(f"place {place}")
    sys.exit(3)
