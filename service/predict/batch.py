"""Which of the waiting requests run together: a pure rule, and the queue that follows it."""

import asyncio
import queue
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.artifact.image import Pixels


def fitting(sizes: Iterable[int], limit: int) -> int:
    """Say how many of the waiting groups run next: in order, whole, up to `limit` images.

    Args:
        sizes: images of each waiting group, the first come first.
        limit: images in one run; a larger group runs alone.

    Returns:
        A count of groups, at least 1 where any waits.
    """
    total = count = 0
    for size in sizes:
        total += size
        if count and total > limit:
            break
        count += 1
    return count


@dataclass(slots=True, eq=False)
class Job:
    """One caller's files, and where it waits for their answer.

    Attributes:
        files: encoded images, at least one.
        explain: whether contributions are wanted.
        future: of the event loop that the caller waits on.
        pixels: `(n, H, W, 3)`, uint8, once decoded.
    """

    files: Sequence[bytes]
    explain: bool
    future: "asyncio.Future[Any]"
    pixels: Pixels | None = field(default=None)


class JobQueue:
    """A first-in, first-out queue from which one worker takes whole batches.

    It is not bounded here: `Lanes` bounds what waits over all lanes together.
    """

    def __init__(self) -> None:
        """Begin empty and open."""
        # SimpleQueue is written in C: a put that wakes the worker costs a microsecond.
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._held_back: Job | None = None

    def put(self, job: Job) -> None:
        """Let a job wait; any thread may."""
        self._queue.put(job)

    def close(self) -> None:
        """Have `take` give None once what waits before is taken."""
        self._queue.put(None)

    def take(self, limit: int) -> list[Job] | None:
        """Wait for the next batch, of up to `limit` images; None when the queue is closed.

        Callers who went away are left out, so the batch may be empty.
        """
        job = self._held_back or self._queue.get()
        self._held_back = None
        batch: list[Job] = []
        images = 0
        while job is not None:
            size = len(job.files)
            if batch and images + size > limit:
                self._held_back = job
                return batch
            if not job.future.done():
                batch.append(job)
                images += size
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._queue.put(None)
            return batch
        return None
