"""Token buckets: what passes in a time, and that processes share one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys.rate import Bucket, own_cell, shared_cells
from tests.service.fakes import Clock


def test_a_burst_passes_at_once_and_then_the_rate() -> None:
    """Three at once, then one every tenth of a second; the wait says when."""
    clock = Clock()
    clock.now = 1e6
    bucket = Bucket(10, 3, own_cell("a"), clock)

    assert [bucket.take() for _ in range(3)] == [0, 0, 0]
    wait_s = bucket.take()
    assert wait_s == pytest.approx(0.1, abs=1e-6)
    clock.now += wait_s
    assert bucket.take() == 0
    assert bucket.take() > 0
    clock.now += 100
    assert [bucket.take() == 0 for _ in range(4)] == [True] * 3 + [False]


@given(
    st.floats(0.01, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_no_more_pass_than_the_rate_allows(rate: float, burst: int, pauses: list[float]) -> None:
    """Of any pattern of requests at most `burst + rate * time` pass, and the burst always does."""
    clock = Clock()
    bucket = Bucket(rate, burst, own_cell("a"), clock)

    passed = [bucket.take() == 0 for _ in range(burst)]
    for pause in pauses:
        clock.now += pause
        passed.append(bucket.take() == 0)

    assert all(passed[:burst])
    assert sum(passed) <= burst + rate * clock.now + 1e-6


def test_a_key_that_was_slow_is_not_held_to_what_it_used_then() -> None:
    """The cell of a rate of one an hour does not block a rate of ten a second for an hour."""
    clock, cell = Clock(), own_cell("a")
    assert [Bucket(1 / 3600, 2, cell, clock).take() for _ in range(2)] == [0, 0]

    faster = Bucket(10, 2, cell, clock)

    assert 0 < faster.take() < 0.101
    clock.now += 0.101
    assert faster.take() == 0


def test_processes_share_what_a_key_has_used(tmp_path: Path) -> None:
    """Another process takes eight of ten; here two are left. Other ids are other buckets."""
    code = (
        "import sys; from pathlib import Path; from service.keys.rate import *;"
        "bucket = Bucket(0.001, 10, shared_cells(Path(sys.argv[1]))('ab'));"
        "assert [bucket.take() for _ in range(8)] == [0] * 8"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    open_cell = shared_cells(tmp_path)

    here, other = Bucket(0.001, 10, open_cell("ab")), Bucket(0.001, 10, open_cell("cd"))

    assert [here.take() == 0 for _ in range(3)] == [True, True, False]
    assert other.take() == 0
