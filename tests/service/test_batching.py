"""The batch rule, and the loop that follows it: every waiter is answered."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.artifact.image import Pixels
from service.batching import Batcher, fitting
from service.errors import BusyError

pytestmark = pytest.mark.anyio

Outcomes = Sequence[int | Exception]


def images(value: int, number: int = 1) -> Pixels:
    """Make a group of one-pixel images of one value."""
    return np.full((number, 1, 1, 3), value, np.uint8)


def echo(groups: Sequence[Pixels]) -> Outcomes:
    """Answer each group with its own value."""
    return [int(group[0, 0, 0, 0]) for group in groups]


class Gate:
    """A run that waits until it is let through, and remembers its batches."""

    def __init__(self, inner: Callable[[Sequence[Pixels]], Outcomes] = echo) -> None:
        """Begin closed."""
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self._open = threading.Semaphore(0)
        self._inner = inner

    def __call__(self, groups: Sequence[Pixels]) -> Outcomes:
        """Run, when allowed."""
        self.batches.append([len(group) for group in groups])
        self.entered.release()
        assert self._open.acquire(timeout=10)
        return self._inner(groups)

    async def until_busy(self) -> None:
        """Wait until a run has begun."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)

    def let(self, runs: int = 1) -> None:
        """Let so many runs through."""
        self._open.release(runs)


@asynccontextmanager
async def serving(
    run: Callable[[Sequence[Pixels]], Outcomes], limit: int = 4, waiting: int = 100
) -> AsyncIterator[Batcher[int]]:
    """Serve for as long as the block lasts."""
    batcher: Batcher[int] = Batcher(run, max_batch_size=limit, max_waiting_images=waiting)
    task = asyncio.create_task(batcher.serve())
    try:
        yield batcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@given(sizes=st.lists(st.integers(1, 8), max_size=20), limit=st.integers(8, 32))
def test_a_batch_is_the_longest_run_of_whole_groups_that_fits(sizes: list[int], limit: int) -> None:
    """In order, none split, none left out that would fit, and at least one."""
    count = fitting(sizes, limit)

    assert sum(sizes[:count]) <= limit
    assert count == len(sizes) or sum(sizes[: count + 1]) > limit
    assert count >= min(1, len(sizes))


async def test_a_lone_request_does_not_wait_for_company() -> None:
    """With the session free it runs at once, alone."""
    gate = Gate()
    gate.let()
    async with serving(gate) as batcher:
        assert await batcher.submit(images(7)) == 7

    assert gate.batches == [[1]]


async def test_what_waits_while_the_session_is_busy_runs_together() -> None:
    """Up to the limit, whole groups, in the order they came."""
    gate = Gate()
    async with serving(gate, limit=4) as batcher:
        tasks = [asyncio.create_task(batcher.submit(images(0)))]
        await gate.until_busy()
        for value, number in ((1, 1), (2, 2), (3, 2), (4, 1)):
            tasks.append(asyncio.create_task(batcher.submit(images(value, number))))
            await asyncio.sleep(0)
        gate.let(3)
        answers = await asyncio.gather(*tasks)

    assert answers == [0, 1, 2, 3, 4]
    assert gate.batches == [[1], [1, 2], [2, 1]]


async def answers_of_one_batch(
    run: Callable[[Sequence[Pixels]], Outcomes],
) -> list[int | BaseException]:
    """Submit group 0 alone, then 1, 2 and 3 so that they run together; give all answers."""
    gate = Gate(run)
    async with serving(gate) as batcher:
        first = asyncio.create_task(batcher.submit(images(0)))
        await gate.until_busy()
        rest = [asyncio.create_task(batcher.submit(images(v))) for v in (1, 2, 3)]
        await asyncio.sleep(0)
        gate.let(10)
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
    assert gate.batches[:2] == [[1], [1, 1, 1]]
    return answers


async def test_each_waiter_gets_its_own_error() -> None:
    """An error that is one group's answer reaches that group alone."""

    def run(groups: Sequence[Pixels]) -> Outcomes:
        return [ValueError("bad") if answer == 2 else answer for answer in echo(groups)]

    answers = await answers_of_one_batch(run)

    assert answers[:2] == [0, 1]
    assert isinstance(answers[2], ValueError)
    assert answers[3] == 3


async def test_a_batch_that_fails_whole_is_run_group_by_group() -> None:
    """The group that breaks the session breaks it for itself only."""

    def run(groups: Sequence[Pixels]) -> Outcomes:
        if 2 in echo(groups):
            raise RuntimeError
        return echo(groups)

    answers = await answers_of_one_batch(run)

    assert [answers[0], answers[1], answers[3]] == [0, 1, 3]
    assert isinstance(answers[2], RuntimeError)


async def test_a_caller_who_goes_away_harms_nobody() -> None:
    """A cancelled waiter is left out of the batch; its neighbours are answered."""
    gate = Gate()
    async with serving(gate) as batcher:
        first = asyncio.create_task(batcher.submit(images(0)))
        await gate.until_busy()
        gone, stays = (asyncio.create_task(batcher.submit(images(v))) for v in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        gate.let(2)

        assert await stays == 2
        assert await first == 0
        assert gate.batches == [[1], [1]]


async def test_a_caller_may_go_away_while_its_batch_runs() -> None:
    """The answer then goes nowhere, and the loop goes on."""
    gate = Gate()
    async with serving(gate) as batcher:
        gone = asyncio.create_task(batcher.submit(images(0)))
        await gate.until_busy()
        gone.cancel()
        gate.let(2)

        assert await batcher.submit(images(5)) == 5


async def test_too_much_waiting_is_refused_at_once() -> None:
    """Beyond the limit a caller is told to come later; those who wait are not harmed."""
    gate = Gate()
    async with serving(gate, limit=4, waiting=4) as batcher:
        first = asyncio.create_task(batcher.submit(images(0)))
        await gate.until_busy()
        waits = asyncio.create_task(batcher.submit(images(1, 3)))
        await asyncio.sleep(0)

        with pytest.raises(BusyError, match="3 images wait already, the limit is 4"):
            await batcher.submit(images(2, 2))

        gate.let(2)
        assert [await first, await waits] == [0, 1]


async def test_whoever_waits_at_the_end_is_told_so() -> None:
    """Stopping the loop answers those in the queue, and those who come later."""
    gate = Gate()
    async with serving(gate) as batcher:
        running = asyncio.create_task(batcher.submit(images(0)))
        await gate.until_busy()
        waiting = asyncio.create_task(batcher.submit(images(1)))
        await asyncio.sleep(0)
        gate.let(10)

    for task in (running, waiting):
        with pytest.raises(BusyError, match="shutting down"):
            await task
    with pytest.raises(BusyError, match="shutting down"):
        await batcher.submit(images(2))


async def test_a_thousand_callers_get_their_own_answers() -> None:
    """Under load nobody is mixed up with a neighbour, and batches are really formed."""
    sizes: list[int] = []

    def run(groups: Sequence[Pixels]) -> Outcomes:
        sizes.append(len(groups))
        return echo(groups)

    async with serving(run, limit=32, waiting=2000) as batcher:
        answers = await asyncio.gather(*(batcher.submit(images(n % 256)) for n in range(1000)))

    assert answers == [n % 256 for n in range(1000)]
    assert max(sizes) > 8
