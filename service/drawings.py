"""Where the drawings of `goodserve explain` go: no two pictures share a file."""

import os
from pathlib import Path

from service.pictures import DRAWN, Listed


class TakenError(Exception):
    """A picture's drawing would replace another picture's."""


class Targets:
    """A file for each picture's drawing, by the pictures of one run."""

    def __init__(self, out: Path | None) -> None:
        """Put drawings below a folder; None: each beside its picture."""
        self._out = out
        self._taken: dict[Path, Path] = {}

    def of(self, listed: Listed) -> Path:
        """Give the file for a picture's drawing: NAME.evidence.png.

        Below `out` it lies as deep as the picture below the folder that was named. Of pictures in
        one folder that differ in their suffix alone, the first has this name, and the others keep
        their suffix in it: NAME.jpg.evidence.png.

        Raises:
            TakenError: a picture of another folder has this file.
        """
        path = listed.path
        folder = path.parent
        if self._out is not None:
            folder = self._out / folder.relative_to(listed.below)
        # However they are written: one picture may be named twice.
        place, picture = _real(folder), _real(path.parent) / path.name
        for name in (f"{path.stem}{DRAWN}", f"{path.name}{DRAWN}"):
            other = self._taken.setdefault(place / name, picture)
            if other == picture:
                return folder / name
            if other.parent != picture.parent:
                message = (
                    f"{folder / name} shows {other}; name one folder that holds both, whose "
                    "folders are kept, or give each an --out of its own"
                )
                raise TakenError(message)
        message = f"{folder / name} shows {other}; rename one of the two"
        raise TakenError(message)


def _real(folder: Path) -> Path:
    """Follow links, of folders that are not there yet too; whoever writes meets what is wrong."""
    return Path(os.path.realpath(folder))
