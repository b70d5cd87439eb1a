"""Which of the waiting requests run together: a pure rule, and the queue that follows it."""

import asyncio
import queue
from collections import deque
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
        self._arrivals: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()  # the worker's alone
        self._is_closed = False

    def put(self, job: Job) -> None:
        """Let a job wait; any thread may."""
        self._arrivals.put(job)

    def close(self) -> None:
        """Have `take` give None once what waits is taken; any thread may."""
        self._arrivals.put(None)

    def take(self, limit: int) -> list[Job] | None:
        """Wait for the next batch, of up to `limit` images; None when the queue is closed.

        Callers who went away are left out, so the batch may be empty.
        """
        if not self._waiting and not self._is_closed:
            self._receive(self._arrivals.get())
        while not self._arrivals.empty():
            self._receive(self._arrivals.get())
        if not self._waiting and self._is_closed:
            return None
        count = fitting((len(job.files) for job in self._waiting), limit)
        jobs = [self._waiting.popleft() for _ in range(count)]
        return [job for job in jobs if not job.future.done()]

    def _receive(self, job: Job | None) -> None:
        if job is None:
            self._is_closed = True
        else:
            self._waiting.append(job)
