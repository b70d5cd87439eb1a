"""From picture files to pixels, in parallel processes; no torch here, which each would load."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.artifact.image import FORMATS, to_pixels
from training.errors import DataError

# To be raised with everything that changes a pixel: caches of other versions are not read.
DECODE_VERSION = 1
_CHUNK = 64
_CHUNK_BYTES = 1 << 21
_CHUNKS_AHEAD = 4


@dataclass(frozen=True)
class Decoded:
    """Pictures at one size.

    Attributes:
        pixels: `(N, S, S, 3)`, uint8; black where the picture cannot be read.
        faults: why not, by position.
    """

    pixels: NDArray[np.uint8]
    faults: Mapping[int, str]


def decode(paths: Sequence[Path], size: int) -> Decoded:
    """Read pictures one after the other, each as the service would."""
    pixels = np.zeros((len(paths), size, size, 3), np.uint8)
    faults = {}
    for position, path in enumerate(paths):
        try:
            with Image.open(path, formats=FORMATS) as image:
                pixels[position] = to_pixels(image, size, size)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            faults[position] = _reason(error)
    return Decoded(pixels, faults)


def decode_in_processes(
    paths: Sequence[Path], size: int, processes: int, told: Callable[[int], None]
) -> Iterator[Decoded]:
    """Read pictures in several processes; give them in order, some at a time.

    Memory is bounded: each process has a few chunks waiting, whatever the number of pictures.

    Args:
        paths: of the pictures.
        size: side of the result in pixels.
        processes: how many.
        told: hears how many pictures are done.

    Raises:
        DataError: a process died.
    """
    # Spawned, not forked: torch's threads, which may hold locks, do not survive a fork.
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
    try:
        chunks, done = _chunks(paths, size, processes), 0
        ahead = islice(chunks, processes * _CHUNKS_AHEAD)
        waiting: deque[Future[Decoded]] = deque(pool.submit(decode, c, size) for c in ahead)
        while waiting:
            decoded = waiting.popleft().result()
            waiting.extend(pool.submit(decode, chunk, size) for chunk in islice(chunks, 1))
            done += len(decoded.pixels)
            told(done)
            yield decoded
    except BrokenProcessPool as error:
        message = (
            "a process that decodes pictures died: it may have had too little memory; a script "
            'that calls this needs if __name__ == "__main__"'
        )
        raise DataError(message) from error
    finally:
        pool.shutdown(cancel_futures=True)


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _chunks(paths: Sequence[Path], size: int, processes: int) -> Iterator[Sequence[Path]]:
    """Deal out enough at a time to be worth a message, and so little that all have some."""
    fitting = min(
        _CHUNK, _CHUNK_BYTES // (size * size * 3), len(paths) // (processes * _CHUNKS_AHEAD)
    )
    length = max(1, fitting)
    return (paths[start : start + length] for start in range(0, len(paths), length))


def _begin() -> None:
    """Leave Ctrl-C to the process that waits for the results, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _reason(error: Exception) -> str:
    """Word what is wrong with a picture; names of files need not be text, but a report is."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said.encode(errors="backslashreplace").decode()
