"""Many images in pieces, and the pieces side by side: in order, and few of them at once."""

import asyncio
import threading
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from service.client.results import Limits

T = TypeVar("T")
R = TypeVar("R")

# Pieces at hand for each that is asked about, so that a slow one does not hold up the others.
_AHEAD = 2


def at_most(limits: Limits, batch_size: int) -> Limits:
    """Put no more images into one request than the caller wants, or the service takes."""
    if batch_size < 1:
        message = f"batch_size must be 1 or more, not {batch_size}"
        raise ValueError(message)
    return limits.holding(batch_size)


def chunks_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Take items in pieces of a size; the last one may be shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def in_order(
    chunks: Iterable[list[T]],
    work: Callable[[list[T]], list[R]],
    concurrency: int,
    stop: threading.Event,
) -> Generator[R, None, None]:
    """Work on pieces in threads, and give the results in the pieces' order.

    Args:
        chunks: taken as the results are.
        work: on one piece.
        concurrency: pieces at once.
        stop: set when nobody wants more results.
    """
    pool = ThreadPoolExecutor(concurrency, "goodserve-client")
    waiting: deque[Future[list[R]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) == _AHEAD * concurrency:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


async def in_order_of_loop(
    chunks: Iterable[list[T]],
    work: Callable[[list[T]], Awaitable[list[R]]],
    concurrency: int,
) -> AsyncGenerator[R, None]:
    """Work on pieces as `in_order` does, in tasks of the event loop."""
    places = asyncio.Semaphore(concurrency)

    async def begun(chunk: list[T]) -> list[R]:
        async with places:
            return await work(chunk)

    waiting: deque[asyncio.Task[list[R]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(asyncio.create_task(begun(chunk)))
            if len(waiting) == _AHEAD * concurrency:
                for each in await waiting.popleft():
                    yield each
        while waiting:
            for each in await waiting.popleft():
                yield each
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
