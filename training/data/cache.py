"""Decoded pictures in a file that is mapped into memory: decoded once, never read in part."""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from model.artifact.files import locked, sweep_aside, sync_folder, write_atomically
from training.data.decode import Decoded
from training.errors import DataError

Shape = tuple[int, int, int, int]

_PIXELS, _NOTE, _LOCK = "pixels.npy", "cache.json", ".lock"
_READ_BYTES = 1 << 20


class Note(BaseModel):
    """What is known about the pixels; it is written last, so that without it there are none.

    Attributes:
        format: of the cache.
        key: what decided the pixels.
        crc32: of the file of pixels.
        faults: why a picture could not be read, by its position.
    """

    format: Literal[1] = 1
    key: str
    crc32: int
    faults: dict[int, str]


def default_cache() -> Path:
    """Name the user's own cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "goodserve"


def cached(
    folder: Path, key: str, shape: Shape, decode: Callable[[], Iterable[Decoded]]
) -> Decoded:
    """Map the pixels of a key into memory; decode them first where they are not there and whole.

    Args:
        folder: of all caches; it is made.
        key: decides every pixel.
        shape: of the pixels.
        decode: gives them in order, some at a time.

    Raises:
        DataError: the folder cannot be written, or has too little room.
    """
    place = folder / key[:32]
    with _in_our_words(place, shape):
        place.mkdir(parents=True, exist_ok=True)
        # Held while decoding: another run of the same data waits, and then finds them there.
        with locked(place / _LOCK):
            found = _read(place, key, shape)
            if found is None:
                _write(place, key, shape, decode())
                found = _read(place, key, shape)
    if found is None:
        message = f"{place} does not hold what was just written; name another folder with --cache"
        raise DataError(message)
    return found


def _read(place: Path, key: str, shape: Shape) -> Decoded | None:
    """Map what is there; None: nothing is, or it is damaged or of another key."""
    try:
        note = Note.model_validate_json((place / _NOTE).read_bytes())
        with (place / _PIXELS).open("rb") as file:
            if note.key != key or note.crc32 != _crc32(file):
                return None
        pixels = np.load(place / _PIXELS, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValidationError, ValueError, EOFError):
        return None
    if pixels.dtype != np.uint8 or pixels.shape != shape:
        return None
    return Decoded(pixels, note.faults)


def _write(place: Path, key: str, shape: Shape, parts: Iterable[Decoded]) -> None:
    """Replace what is there, and what a killed writer left beside it."""
    (place / _NOTE).unlink(missing_ok=True)
    sweep_aside(place / _PIXELS)
    faults: dict[int, str] = {}
    with _aside(place / _PIXELS) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        position = 0
        for part in parts:
            file.write(part.pixels.data)
            faults |= {position + number: reason for number, reason in part.faults.items()}
            position += len(part.pixels)
    with (place / _PIXELS).open("rb") as file:
        note = Note(key=key, crc32=_crc32(file), faults=faults)
    write_atomically(place / _NOTE, note.model_dump_json().encode())


@contextmanager
def _aside(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside `path`, and rename it into place when all is on the disk."""
    # The name that `sweep_aside` looks for.
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def _crc32(file: IO[bytes]) -> int:
    """Read a file through without mapping it, so that no page of it counts as ours."""
    found = 0
    while block := file.read(_READ_BYTES):
        found = zlib.crc32(block, found)
    return found


@contextmanager
def _in_our_words(place: Path, shape: Shape) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"cannot keep decoded pictures in {place}: {error.strerror or error}; they take "
            f"{np.prod(shape) / 1e9:.3g} GB: free as much, or name another folder with --cache"
        )
        raise DataError(message) from error
