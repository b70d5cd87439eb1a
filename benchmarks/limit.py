"""The limit: decoding and running in process, with no HTTP and nobody to wait for.

A server on the same cores can at best come near it.
"""

import io
import itertools
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from PIL import Image

from model.artifact.image import FORMATS, Pixels, stack, to_pixels
from model.artifact.outputs import PROBABILITIES, SCORES
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession

_START_S = 60
_PLAIN = (SCORES, PROBABILITIES)  # what an answer without an explanation needs


@dataclass(frozen=True)
class Layout:
    """How the work is spread: processes, threads in each that share a session, images a run."""

    processes: int
    threads: int
    batch: int

    def __str__(self) -> str:
        """Write `2x1 b16`: processes, threads, batch."""
        return f"{self.processes}x{self.threads} b{self.batch}"


@dataclass(frozen=True)
class Pace:
    """What a layout reached: images per second, and CPU milliseconds per image."""

    images_per_s: float
    cpu_ms_per_image: float


@dataclass(frozen=True)
class Work:
    """One worker's task: the model, the encoded pictures, and for how long."""

    model: bytes
    height: int
    width: int
    pictures: list[bytes]
    layout: Layout
    seconds: float


@dataclass(frozen=True)
class Counted:
    """What one worker did: images, in how many seconds, with how many CPU seconds."""

    images: int
    seconds: float
    cpu_s: float


def layouts(cores: int) -> list[Layout]:
    """List the layouts that are tried: one core alone, then all in several ways."""
    spread = [Layout(cores, 1, batch) for batch in (16, 32, 64)]
    return list(dict.fromkeys([Layout(1, 1, 1), Layout(1, cores, 16), *spread]))


def measure(repository: Path, pictures: list[bytes], layout: Layout, seconds: float) -> Pace:
    """Let a layout's processes work side by side, over the same seconds.

    Raises:
        RuntimeError: a process did not start or did not end.
    """
    work = _work(repository, pictures, layout, seconds)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(layout.processes)
    pipes = [context.Pipe(duplex=False) for _ in range(layout.processes)]
    workers = [context.Process(target=_worker, args=(work, start, end)) for _, end in pipes]
    try:
        for worker in workers:
            worker.start()
        return pace([_receive(end, _START_S + 2 * seconds) for end, _ in pipes])
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def pace(counts: list[Counted]) -> Pace:
    """Add up what processes did side by side."""
    images = sum(count.images for count in counts)
    return Pace(
        images_per_s=sum(count.images / count.seconds for count in counts),
        cpu_ms_per_image=1e3 * sum(count.cpu_s for count in counts) / images,
    )


def decode(picture: bytes, height: int, width: int) -> Pixels:
    """Decode one picture as the service does: `(H, W, 3)` uint8."""
    with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
        return to_pixels(image, height, width)


def _work(repository: Path, pictures: list[bytes], layout: Layout, seconds: float) -> Work:
    opened = ModelRepository(repository)
    active = opened.active()
    if active is None:
        reason = f"{repository} has no active version to measure"
        raise RuntimeError(reason)
    stored = opened.read(active)
    height, width = stored.manifest.image_height, stored.manifest.image_width
    return Work(stored.model, height, width, pictures, layout, seconds)


def _receive(end: Connection, at_most_s: float) -> Counted:
    if not end.poll(at_most_s):
        reason = f"a process of the limit said nothing for {at_most_s:.0f} s"
        raise RuntimeError(reason)
    counted: Counted = end.recv()
    return counted


def _worker(work: Work, start: Barrier, end: Connection) -> None:
    """Warm up, wait for the others, work for the time given, and report."""
    session = OnnxSession(work.model, "cpu")
    turns = [itertools.cycle(work.pictures) for _ in range(work.layout.threads)]
    _run_batch(session, work, turns[0])
    start.wait(_START_S)
    started, cpu_before = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(work.layout.threads) as threads:
        images = sum(threads.map(lambda turn: _loop(session, work, turn, started), turns))
    end.send(Counted(images, time.monotonic() - started, time.process_time() - cpu_before))


def _loop(session: OnnxSession, work: Work, turn: Iterator[bytes], started: float) -> int:
    """Run whole batches until the time is up; say how many images that were."""
    images = 0
    while time.monotonic() - started < work.seconds:
        images += _run_batch(session, work, turn)
    return images


def _run_batch(session: OnnxSession, work: Work, turn: Iterator[bytes]) -> int:
    pictures = itertools.islice(turn, work.layout.batch)
    pixels = stack(decode(picture, work.height, work.width) for picture in pictures)
    session(pixels, _PLAIN)
    return work.layout.batch
