"""Between the command and the worker that leads, which has no terminal and gets no signals.

What the worker prints comes here, and the wish to stop.
"""

import asyncio
import io
from typing import Any, NamedTuple


class Said(NamedTuple):
    """A piece of what the leader prints.

    Attributes:
        text: with its line ends.
        is_error: whether it goes to stderr.
    """

    text: str
    is_error: bool = False


class Desk:
    """An actor of the command's own; it ends with it."""

    def __init__(self) -> None:
        """Begin with nothing said and no wish to stop."""
        self._said = list[Said]()
        self._stop = asyncio.Event()

    async def say(self, said: Said) -> None:
        """Take what the leader prints."""
        self._said.append(said)

    async def taken(self) -> list[Said]:
        """Hand over what was said since the last time."""
        taken, self._said = self._said, []
        return taken

    async def stop(self) -> None:
        """Wish that the run ends after its step."""
        self._stop.set()

    async def until_stopped(self) -> None:
        """Answer when the run is to end."""
        await self._stop.wait()


class ToDesk(io.TextIOBase):
    """What is written here is said at the desk; it is no terminal, so nobody draws a bar."""

    def __init__(self, desk: Any, *, is_error: bool = False) -> None:  # noqa: ANN401  Ray's
        """Write to a desk's handle, for its stdout or stderr."""
        self._desk = desk
        self._is_error = is_error

    def writable(self) -> bool:
        """Say that it takes text."""
        return True

    def write(self, text: str) -> int:
        """Send a piece of text; nothing waits for its arrival."""
        self._desk.say.remote(Said(text, self._is_error))
        return len(text)
