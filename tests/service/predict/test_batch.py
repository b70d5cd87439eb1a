"""The batch rule, and the queue that follows it."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.predict.batch import Job, JobQueue, fitting

pytestmark = pytest.mark.anyio


@given(
    sizes=st.lists(st.integers(1, 8), max_size=20),
    limit=st.integers(8, 32),
    idle=st.integers(1, 4),
)
def test_a_batch_is_the_longest_run_of_whole_groups_that_fits(
    sizes: list[int], limit: int, idle: int
) -> None:
    """In order, none split, none left out that would fit, and at least one."""
    count = fitting(sizes, limit, idle)

    share = min(limit, math.ceil(sum(sizes) / idle))
    assert sum(sizes[:count]) <= share or count == 1
    assert count == len(sizes) or sum(sizes[: count + 1]) > share
    assert count >= min(1, len(sizes))


def test_idle_workers_share_what_waits() -> None:
    """Two batches of eight side by side are done sooner than one of sixteen."""
    assert fitting([1] * 16, limit=16, idle_workers=2) == 8
    assert fitting([1] * 64, limit=16, idle_workers=2) == 16
    assert fitting([1], limit=16, idle_workers=2) == 1


def job(size: int) -> Job:
    """Make a job of so many files."""
    future = asyncio.get_running_loop().create_future()
    return Job([b"x"] * size, size, explain=False, future=future)


async def test_the_queue_gives_batches_by_the_rule() -> None:
    """Taking again and again gives every job once, in order, cut as the rule says."""
    for sizes in ([1, 2, 2, 1], [4, 4], [1] * 9, [3, 1, 4, 1, 1, 2]):
        queue = JobQueue()
        for size in sizes:
            queue.put(job(size))
        queue.close()

        taken = []
        while (batch := queue.take(4)) is not None:
            taken.append([len(each.files) for each in batch])

        left = sizes
        for batch_sizes in taken:
            assert len(batch_sizes) == fitting(left, 4)
            left = left[len(batch_sizes) :]
        assert [size for sizes_ in taken for size in sizes_] == sizes


async def test_callers_who_went_away_are_left_out() -> None:
    """A cancelled job costs no run."""
    queue, gone, stays = JobQueue(), job(1), job(1)
    queue.put(gone)
    queue.put(stays)
    gone.future.cancel()

    assert queue.take(4) == [stays]


async def test_a_closed_queue_gives_what_waits_and_then_none() -> None:
    """Closing loses nobody, and the end is told every worker that asks."""
    queue, waits = JobQueue(), job(1)
    queue.put(waits)
    queue.close()

    assert queue.take(4) == [waits]
    assert queue.take(4) is None
