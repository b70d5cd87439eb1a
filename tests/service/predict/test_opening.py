"""Versions are loaded by threads that give way; what answers later does not."""

import asyncio
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from model.artifact.repository import ModelRepository
from model.artifact.runtime import Device, OnnxSession, graph_opener, session_opener
from service.predict.loading import CheckedSession, Further, RunSizes
from service.predict.opening import Opening
from tests.e2e.test_processes import tiny_repository
from tests.service.predict.test_swaps import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority here")

CPU: Device = "cpu"


def priorities() -> dict[int, int]:
    """Give the niceness of each thread of this process."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        thread = int(task.name)
        try:
            found[thread] = os.getpriority(os.PRIO_PROCESS, thread)
        except ProcessLookupError:  # it has ended meanwhile
            continue
    return found


@pytest.mark.parametrize(("gives_way", "more"), [(True, 10), (False, 0)])
def test_who_loads_gives_way_and_who_answers_does_not(
    tmp_path: Path, *, gives_way: bool, more: int
) -> None:
    """A session of one thread is opened at 10 more; the pool of another one is as nice as ever."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    repository = ModelRepository(tiny_repository(tmp_path))
    opened: list[tuple[int, int]] = []

    def open_session(model: bytes, threads: int) -> CheckedSession:
        here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        opened.append((threads, here))
        return session_opener(CPU)(model, threads)

    sizes = RunSizes(max_batch_size=4, threads=1, lone_threads=2)
    further = Further(open_graph=graph_opener(CPU))
    opening = Opening(repository, open_session, sizes, further, None, 60)
    active = repository.active()
    assert active is not None
    before = set(priorities())

    version = asyncio.run(opening.load(active, None, gives_way=gives_way))

    def of_the_pools() -> set[int]:
        return {nice for thread, nice in priorities().items() if thread not in before}

    assert sorted(opened) == [(1, min(19, usual + more)), (2, usual)]
    until(lambda: of_the_pools() == {usual})  # what loaded has ended a moment later
    assert isinstance(version.lone_session, OnnxSession)
    assert version.lone_session(np.zeros((1, *version.shape), np.uint8)).scores.shape[0] == 1
