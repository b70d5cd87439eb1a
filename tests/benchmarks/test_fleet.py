"""Plans from service times; and the simulation beside a real service."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fleet import main, plan, simulated

MILLISECOND = [0.001] * 100


def test_a_plan_is_the_fewest_that_suffice() -> None:
    """One core fewer is over the limit, or over what it can bear."""
    found = plan(MILLISECOND, rate=20_000, p99_ms=5, batch=1)

    assert found.p99_ms <= 5
    assert simulated(MILLISECOND, 20_000 / (found.cores - 1), 1)[1] > 5
    assert found.load == pytest.approx(20 / found.cores)


def test_a_tighter_limit_needs_more() -> None:
    """And no core is loaded beyond 95 %, however patient the callers are."""
    cores = [plan(MILLISECOND, rate=20_000, p99_ms=limit, batch=1).cores for limit in (3, 10, 1e5)]

    assert cores[0] > cores[1] >= cores[2] == 22


def test_a_limit_below_a_lone_request_cannot_be_met() -> None:
    """The message says so."""
    with pytest.raises(ValueError, match=r"an idle core's p99 is over 0\.5 ms already"):
        plan(MILLISECOND, rate=1, p99_ms=0.5, batch=1)


def test_times_are_measured_planned_with_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command on the real service: times that can be, a plan, and a table of two loads.

    How well the simulation agrees is not asserted: this machine may do other work.
    """
    times = tmp_path / "times.json"

    main(["measure", "--out", str(times), "--count", "100"])
    main(["plan", "--times", str(times), "--rate", "1000", "--p99-ms", "10000"])
    main(
        [
            "check",
            "--times",
            str(times),
            "--count",
            "100",
            "--seconds",
            "1",
            "--loads",
            "0.2",
            "0.4",
        ]
    )

    said = capsys.readouterr().out.splitlines()
    measured = json.loads(times.read_text())
    assert len(measured["times_s"]) == 100
    assert 1e-4 < np.mean(measured["times_s"]) < 1
    assert json.loads(said[1])["cores"] >= 1
    for row in said[-2:]:
        load, rate, *milliseconds, count = map(float, row.split())
        assert 0 < load < 1
        assert count > rate / 2
        assert all(value > 0 for value in milliseconds)
