"""Which of the waiting requests run together: a pure rule, and the queue that follows it."""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from model.artifact.image import Pixels
from service.logs import REQUEST_ID
from service.predict.evidence import Question
from service.timeline import TIMELINE, Timeline


def fitting(sizes: Sequence[int], limit: int, idle_workers: int = 1) -> int:
    """Say how many of the waiting groups one worker takes: in order, whole.

    It takes up to `limit` images, but leaves the other idle workers their share: two batches
    side by side are done sooner than one of twice the size.

    Args:
        sizes: images of each waiting group, the first come first.
        limit: images in one run; a larger group is taken alone.
        idle_workers: workers that have nothing to do, the asking one included.

    Returns:
        A count of groups, at least 1 where any waits.
    """
    share = min(limit, math.ceil(sum(sizes) / idle_workers))
    total = count = 0
    for size in sizes:
        total += size
        if count and total > share:
            break
        count += 1
    return count


# What a caller may send: encoded files, or pixels as the model takes them, `(n, H, W, 3)` uint8.
Images = Sequence[bytes] | Pixels


@dataclass(slots=True, eq=False)
class Job:
    """One caller's images, and where it waits for their answer.

    Attributes:
        files: encoded images; none where the caller sent pixels.
        size: images, at least one.
        explain: whether contributions are wanted.
        future: of the event loop that the caller waits on.
        deadline: when the answer is of no use any more, in seconds of the lane's clock.
        pixels: `(n, H, W, 3)`, uint8, as sent or once decoded.
        question: what to take apart; None: nothing.
        request_id: of the caller's request, for the log.
        queued_at: when it began to wait, in seconds of the lane's clock.
        timeline: of the caller's request, where it is traced.
    """

    files: Sequence[bytes]
    size: int
    explain: bool
    future: "asyncio.Future[Any]"
    deadline: float | None = None
    pixels: Pixels | None = None
    question: Question | None = None
    request_id: str = field(default_factory=REQUEST_ID.get)
    queued_at: float = 0.0
    timeline: Timeline | None = field(default_factory=TIMELINE.get)


class JobQueue:
    """A first-in, first-out queue from which a lane's workers take whole batches.

    It is not bounded here: `Lanes` bounds what waits over all lanes together.
    """

    def __init__(self) -> None:
        """Begin empty and open."""
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._idle_workers = 0
        self._is_closed = False

    def put(self, job: Job) -> None:
        """Let a job wait; any thread may."""
        with self._changed:
            self._waiting.append(job)
            if self._idle_workers:
                self._changed.notify()

    def close(self) -> None:
        """Have `take` give None once what waits is taken; any thread may."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def take(self, limit: int) -> list[Job] | None:
        """Wait for the next batch, of up to `limit` images; None when the queue is closed.

        Callers who went away are left out, so the batch may be empty.
        """
        with self._changed:
            self._idle_workers += 1
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            # Under the lock, but once for each batch, not for each request.
            sizes = [job.size for job in self._waiting]
            count = fitting(sizes, limit, self._idle_workers)
            self._idle_workers -= 1
            jobs = [self._waiting.popleft() for _ in range(count)]
            if not jobs:
                return None
        return [job for job in jobs if not job.future.done()]

    @property
    def idle_workers(self) -> int:
        """Count the workers that wait for a job."""
        return self._idle_workers
