"""Running together what waits: a pure rule, and the small loop that follows it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from model.artifact.image import Pixels
from service.errors import BusyError

Answer = TypeVar("Answer")

log = logging.getLogger("goodserve")


def fitting(sizes: Iterable[int], limit: int) -> int:
    """Say how many of the waiting groups run next: in order, whole, up to `limit` images.

    Args:
        sizes: images of each waiting group, the first come first.
        limit: images in one run, at least as many as any group has.

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


@dataclass(frozen=True)
class _Waiter(Generic[Answer]):
    """One caller's images, and where it waits for their answer."""

    pixels: Pixels
    future: "asyncio.Future[Answer]"


class Batcher(Generic[Answer]):
    """Runs groups of images from many callers together, one run at a time.

    When the session is free it takes what waits; a lone group never waits for company.
    Every caller gets its own answer or its own error.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Pixels]], Sequence[Answer | Exception]],
        *,
        max_batch_size: int,
        max_waiting_images: int,
        on_depth: Callable[[int], None] = lambda _depth: None,
    ) -> None:
        """Set up; nothing runs until `serve` does.

        Args:
            run: called in a thread with `(n, H, W, 3)` groups; gives one answer or error each.
            max_batch_size: images in one run.
            max_waiting_images: images that may wait.
            on_depth: hears how many images wait whenever that changes.
        """
        self._run = run
        self._max_batch_size = max_batch_size
        self._max_waiting_images = max_waiting_images
        self._on_depth = on_depth
        self._waiting: deque[_Waiter[Answer]] = deque()
        self._arrived = asyncio.Event()
        self._is_closed = False

    @property
    def depth(self) -> int:
        """Count the images that wait."""
        return sum(len(waiter.pixels) for waiter in self._waiting)

    async def submit(self, pixels: Pixels) -> Answer:
        """Wait for the answer to `(n, H, W, 3)` images, all from one run.

        Raises:
            BusyError: too many images wait, or the service is shutting down.
            Exception: whatever `run` gave for this group.
        """
        if self._is_closed:
            raise BusyError("shutting-down", "the service is shutting down")
        if self.depth + len(pixels) > self._max_waiting_images:
            detail = f"{self.depth} images wait already, the limit is {self._max_waiting_images}"
            raise BusyError("queue-full", detail)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(pixels, future))
        self._on_depth(self.depth)
        self._arrived.set()
        return await future

    async def serve(self) -> None:
        """Run batches until cancelled; then answer whoever still waits with `BusyError`."""
        loop = asyncio.get_running_loop()
        batch: list[_Waiter[Answer]] = []
        with ThreadPoolExecutor(1, "session") as thread:
            try:
                while True:
                    await self._arrived.wait()
                    batch = self._take()
                    groups = [waiter.pixels for waiter in batch]
                    if groups:
                        outcomes = await loop.run_in_executor(thread, self._outcomes, groups)
                        _deliver(batch, outcomes)
            finally:
                self._close(batch)

    def _take(self) -> list[_Waiter[Answer]]:
        """Take the next batch off the queue, leaving out callers who went away."""
        self._waiting = deque(w for w in self._waiting if not w.future.done())
        count = fitting((len(w.pixels) for w in self._waiting), self._max_batch_size)
        batch = [self._waiting.popleft() for _ in range(count)]
        if not self._waiting:
            self._arrived.clear()
        self._on_depth(self.depth)
        return batch

    def _outcomes(self, groups: Sequence[Pixels]) -> Sequence[Answer | Exception]:
        """Run a batch; if that fails as a whole, run each group alone, so none harms another."""
        try:
            return self._run(groups)
        except Exception as error:
            log.exception("a batch of %d groups failed", len(groups))
            if len(groups) == 1:
                return [error]
            return [self._outcomes([group])[0] for group in groups]

    def _close(self, batch: list[_Waiter[Answer]]) -> None:
        self._is_closed = True
        error = BusyError("shutting-down", "the service is shutting down")
        _deliver([*batch, *self._waiting], [error] * (len(batch) + len(self._waiting)))
        self._waiting.clear()


def _deliver(batch: list[_Waiter[Answer]], outcomes: Sequence[Answer | Exception]) -> None:
    for waiter, outcome in zip(batch, outcomes, strict=True):
        if waiter.future.done():
            continue
        if isinstance(outcome, Exception):
            waiter.future.set_exception(outcome)
        else:
            waiter.future.set_result(outcome)
