"""Files that appear whole or not at all, and last through a power cut; one writer at a time."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_atomically(
    path: Path, content: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Write `path` aside, fsync it, and rename it into place.

    Args:
        path: of the file.
        content: all of it.
        mode: who may do what with it.
        owner: its user's and its group's number; None: those of this process.

    Raises:
        OSError: the folder cannot be written, or the file not given away; `path` is then as it
            was.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=_aside(path), delete=False) as file:
        aside = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            aside.chmod(mode)  # its owner may; after `chown` this process may be none
            if owner is not None:
                os.chown(aside, *owner)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def read_regular(path: Path, root: Path, most: int | None = None) -> tuple[bytes, os.stat_result]:
    """Read a file that others may have made: a regular one, that lies in a folder.

    Links are followed as long as they stay in the folder. Nothing waits: a pipe without a writer
    is refused, not read.

    Args:
        path: of the file.
        root: the folder in which it must lie.
        most: bytes that it may have; None: any number.

    Returns:
        Its content, and what the system knows about that very file.

    Raises:
        OSError: it cannot be read, is no regular file, lies elsewhere, or is too large.
    """
    real = resolved(path, strict=True)
    if not real.is_relative_to(resolved(root)):
        # Without the folder's name: the text reaches callers, in a version's refusal.
        raise OSError(errno.EPERM, "it leads out of the folder in which it must lie", str(path))
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"it has over {most:,} bytes", str(path))
        return file.read(found.st_size), found


def resolved(path: Path, *, strict: bool = False) -> Path:
    """Follow all links of a path.

    Args:
        path: to follow.
        strict: whether it must be there.

    Raises:
        OSError: its links lead in a circle, or it is not there.
    """
    try:
        found = path.resolve(strict=strict)
    except RuntimeError as error:  # Python before 3.13
        raise _circle(path) from error
    # From 3.13 on a circle is given as it is, where the path need not be there.
    if found.is_symlink():
        raise _circle(path)
    return found


def sweep_aside(path: Path) -> None:
    """Remove what killed writers of `path` left beside it.

    Only for a path whose writers all hold a lock that the caller holds now: a file beside it
    then has no living writer.

    Raises:
        OSError: the folder cannot be written.
    """
    for left in path.parent.glob(f"{_aside(path)}*"):
        left.unlink()


def sync_folder(path: Path) -> None:
    """Make the names in a folder last: fsync the folder itself."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for those who hold it, in this process and in others.

    The system gives the lock back when its holder dies, so that none is ever stale.

    Raises:
        OSError: the file cannot be opened or locked.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _aside(path: Path) -> str:
    return f".{path.name}."


def _circle(path: Path) -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
