"""Files that several paths lead to: each is one picture, of one class and in one split."""

import logging
from collections.abc import Sequence
from pathlib import Path

from training.data.picture import Picture, Stamp, stamp_of
from training.errors import DataError

log = logging.getLogger("goodserve")


def without_doubles(
    root: Path, pictures: Sequence[Picture], classes: Sequence[str], said: Path
) -> dict[Picture, Stamp]:
    """Take every file once, and say how many paths are left out for it.

    Taken twice, it could be learned from and be in the test. Of links and the file's own path, the
    latter is kept: a link that is added moves no picture.

    Args:
        root: the folder that paths are relative to.
        pictures: in order of their paths.
        classes: by label, for the message.
        said: what messages name as the source.

    Raises:
        DataError: a file is in two classes or in two splits.
    """
    found = {picture: stamp_of(root / picture.path) for picture in pictures}
    first: dict[Stamp, Picture] = {}
    several: dict[Stamp, list[Picture]] = {}
    for picture, stamp in found.items():
        other = first.setdefault(stamp, picture)
        # Without inode numbers no file is told from another.
        if other is not picture and stamp.inode:
            several.setdefault(stamp, [other]).append(picture)
    left_out = 0
    for paths in several.values():
        _refuse_differing(paths, classes, said)
        kept = min(paths, key=lambda picture: (_is_linked(root, picture.path), picture.path))
        for picture in paths:
            if picture is not kept:
                del found[picture]
        left_out += len(paths) - 1
    if left_out:
        log.warning("%s: left out %d paths to files that have another path, too", said, left_out)
    return found


def _refuse_differing(paths: Sequence[Picture], classes: Sequence[str], said: Path) -> None:
    one = paths[0]
    for other in paths[1:]:
        if other.label != one.label:
            where = f"in the classes {classes[one.label]!r} and {classes[other.label]!r}"
        elif other.purpose != one.purpose:
            where = f"in the splits {one.purpose} and {other.purpose}"
        else:
            continue
        message = f"{said}: {one.path} and {other.path} are one file, {where}; keep one of the two"
        raise DataError(message)


def _is_linked(root: Path, path: str) -> bool:
    """Tell whether a path leads through a link below the root."""
    return (root / path).resolve() != root.resolve() / path
