"""Which files are pictures: what is named, and what lies in the folders that are named."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# What `goodserve explain` writes beside its pictures.
DRAWN = ".evidence.png"
# Names of one folder that are held, and so are in order.
SORTED_AT_ONCE = 10_000


class PicturesError(Exception):
    """Pictures got no answer."""


class Listed(NamedTuple):
    """A picture, and the folder that was named, or that holds the file that was named."""

    path: Path
    below: Path


def pictures_in(paths: Iterable[Path]) -> Iterator[Path]:
    """List pictures as `listed_in` does, by their paths alone.

    Raises:
        OSError: a folder cannot be read.
    """
    return (each.path for each in listed_in(paths))


def listed_in(paths: Iterable[Path]) -> Iterator[Listed]:
    """List files as they are named, and the JPEG, PNG and WebP files in folders.

    Folders are read as the list is: the first pictures of a large one come at once, and it is
    never held whole. Up to ten thousand names of one folder are in order.

    Raises:
        OSError: a folder cannot be read.
    """
    for path in paths:
        if path.is_dir():
            yield from (Listed(each, path) for each in _below(path))
        else:
            yield Listed(path, path.parent)


def some_in(paths: Sequence[Path]) -> Iterator[Listed]:
    """List pictures as `listed_in` does, and say on stderr where there are none.

    Raises:
        OSError: a folder cannot be read.
    """
    found = False
    for each in listed_in(paths):
        found = True
        yield each
    if not found:
        print(f"goodserve: no pictures in {', '.join(map(str, paths))}", file=sys.stderr)


def _below(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        while some := sorted(islice(entries, SORTED_AT_ONCE), key=lambda entry: entry.name):
            for entry in some:
                if entry.is_dir(follow_symlinks=False):
                    yield from _below(Path(entry.path))
                elif is_picture(entry.name) and entry.is_file():
                    yield Path(entry.path)


def is_picture(name: str) -> bool:
    """Tell by a file's name whether it is to be classified."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.endswith(DRAWN)  # noqa: PTH122  for 100,000 names
