"""A short soak: every fault once under mixed traffic; nothing is lost, nothing is wrong."""

import os
import re
import subprocess
import sys

import pytest

from benchmarks.faults import FAULTS
from tests.conftest import ROOT

ROW = re.compile(
    r"^\| (.+?) \| (\d+) \| .* \| (\d+) \| \d+ \| (\d+) \| (\d+) \| [\d.]+ s \|$", re.MULTILINE
)
NOT_DONE = re.compile(r"^\| (.+?) \| 0 \| not done: .*$", re.MULTILINE)


@pytest.mark.long
def test_the_service_stays_up() -> None:
    """By the benchmark's own judgement; every fault is in its table, done or with a reason."""
    # Memory is for the long run: here pools still fill, and most processes are new.
    flags = ["--seconds", "1", "--pause-s", "1", "--warm-s", "3", "--most-growth", "1.5"]

    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *flags],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=ROOT,
    )

    assert found.returncode == 0, found.stdout + found.stderr
    rows = {row[0]: row[1:] for row in ROW.findall(found.stdout)}
    left_out = set(NOT_DONE.findall(found.stdout))
    assert rows.keys() | left_out == {fault.name for fault in FAULTS}
    assert all(int(asked) > 0 for _, asked, _, _ in rows.values())
    assert {(lost, wrong) for _, _, lost, wrong in rows.values()} == {("0", "0")}
    assert "the disk is full" in rows or os.geteuid() != 0
