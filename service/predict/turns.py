"""The processes of one service load in turns: at once they would take every core from answering."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

# Loading takes a second or less; who takes longer does not keep the others waiting for ever.
_PATIENCE_S = 5.0
_LOOK_S = 0.02


@asynccontextmanager
async def turn(file: Path | None, patience_s: float = _PATIENCE_S) -> AsyncIterator[bool]:
    """Wait until nobody else has the turn, and have it while the block lasts.

    Args:
        file: locked by whoever has it, so that the end of a process ends its turn; None: nobody
            else is there.
        patience_s: seconds to wait; then the block runs without the turn.

    Yields:
        Whether it has the turn.
    """
    if file is None:
        yield True
        return
    try:
        opened = file.open("wb")
    except OSError:  # the folder was swept away, or no file may be opened: loading matters more
        yield False
        return
    with opened as locked:
        yield await _is_locked(locked.fileno(), patience_s)


async def _is_locked(descriptor: int, patience_s: float) -> bool:
    """Lock a file, unless somebody else keeps it for too long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if loop.time() > until:
                return False
            await asyncio.sleep(_LOOK_S)
        else:
            return True
