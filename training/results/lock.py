"""One writer in a run's folder at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import CheckpointError


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other writers out of a folder, in this process and in others.

    The kernel gives the lock back when a process dies, however it dies: nothing is left to clean.

    Raises:
        CheckpointError: another one is writing there.
    """
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = (
                f"another process is training in {folder}; wait until it ends, stop it, or name "
                "another folder"
            )
            raise CheckpointError(message) from error
        yield
