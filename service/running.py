"""Which repositories are being served on this machine: the commands work on the same by default.

A service holds a lock on a small file of its own, in a folder that only its user can write. The
system gives the lock back when the service ends, however it ends, so no file is ever believed
that a dead service left.
"""

import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger("goodserve")

_MOST_BYTES = 4096


def records_folder() -> Path:
    """Name the folder in which this user's services say what they serve."""
    return Path(tempfile.gettempdir()) / f"goodserve-{os.geteuid()}"


class Service(NamedTuple):
    """A service of this user that is running.

    Attributes:
        repository: that it serves.
        url: where it answers; None where that is not known.
    """

    repository: str
    url: str | None


@contextmanager
def recorded(repository: str, folder: Path, url: str | None = None) -> Iterator[None]:
    """Say for as long as the block lasts that a repository is served, and where.

    A service that cannot say so serves all the same: its users then name the repository.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _check_own(folder)
        path = folder / str(os.getpid())
        file = path.open("w")
    except OSError as error:
        log.warning("goodserve models must be told the repository: %s", error)
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{repository}\n{url or ''}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def served_repositories(folder: Path) -> list[str]:
    """List the repositories that this user's running services serve, each once."""
    return list(dict.fromkeys(each.repository for each in running_services(folder)))


def running_services(folder: Path) -> list[Service]:
    """List this user's running services."""
    try:
        _check_own(folder)
        found = [_read(path) for path in sorted(folder.iterdir())]
    except OSError:
        return []
    lines = [each.split("\n") for each in found if each]
    return [Service(each[0], each[1] or None) for each in lines if len(each) > 1 and each[0]]


def _read(path: Path) -> str | None:
    """Read a record whose service lives; None where it does not."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(_MOST_BYTES)
    except OSError:
        pass  # it has just ended
    return None


def _check_own(folder: Path) -> None:
    """Believe only a folder that nobody else can have filled: the one above is everybody's."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        message = f"{folder} is not a folder of this user's alone"
        raise PermissionError(message)
