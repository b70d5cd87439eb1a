"""One picture of a folder or a list, and what its file looks like from outside."""

from pathlib import Path
from typing import Literal, NamedTuple

Purpose = Literal["train", "validation", "test"]


class Picture(NamedTuple):
    """One picture that was found or listed.

    Attributes:
        path: relative to the listing's root, with `/`; absolute where a list says so.
        label: the number of its class.
        purpose: the split it is in.
    """

    path: str
    label: int
    purpose: Purpose


class Stamp(NamedTuple):
    """What tells a file from another, and from what it was before.

    Attributes:
        size_bytes: -1 where the file is not there.
        changed_ns: time of the last change.
        device: that it lies on.
        inode: its number there; 0 where there is none.
    """

    size_bytes: int = -1
    changed_ns: int = 0
    device: int = 0
    inode: int = 0


def stamp_of(path: Path) -> Stamp:
    """Look at a file, or at the one that a link leads to."""
    try:
        found = path.stat()
    except OSError:
        return Stamp()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino)
