"""The benchmarks run for real, in their short form."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.records import Machine, Sample, Start, read
from benchmarks.servers import ROOT


def run(program: str, *arguments: str) -> str:
    """Run a benchmark; give what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_benchmark_gives_sane_figures(tmp_path: Path) -> None:
    """One cell for a second on the limit, a naive server and ours: answers, and no errors."""
    out = tmp_path / "serving.jsonl"

    printed = run("serving", "--quick", "--out", str(out))

    records = read(out.read_text().splitlines())
    samples = {record.server: record for record in records if isinstance(record, Sample)}
    starts = {record.server for record in records if isinstance(record, Start)}
    assert isinstance(records[0], Machine)
    assert starts == {"ours", "naive-1-sync"}
    assert len(samples) == 3
    assert all(s.answers_per_s > 1 and 0.1 < s.cpu_ms < 1000 for s in samples.values())
    assert all(s.non_2xx == s.socket_errors == 0 for s in samples.values())
    assert all(samples[name].memory_mb > 20 for name in starts)
    assert "| raw/png32/8 | ours |" in printed


def test_the_overload_gives_sane_figures(tmp_path: Path) -> None:
    """A second beyond what the service can do: it still answers, and its health is seen."""
    out = tmp_path / "overload.jsonl"

    printed = run("overload", "--seconds", "1", "--connections", "48", "--out", str(out))

    phases = [json.loads(line) for line in out.read_text().splitlines()]
    assert [p["connections"] for p in phases] == [16, 64, 48, 16, 16]
    assert all(p["accepted_per_s"] > 0 and p["accepted_p99_ms"] > 0 for p in phases)
    # In one second of a busy machine there may be no look at all.
    assert max(p["health_max_ms"] or 0 for p in phases) > 0
    assert max(p["memory_max_mb"] or 0 for p in phases) > 20
    assert "200/s in overload / at peak" in printed


def test_slow_clients_are_held_beside_normal_ones(tmp_path: Path) -> None:
    """Two seconds, four slow clients of each kind."""
    out = tmp_path / "slow.jsonl"

    printed = run("overload", "--slow", "4", "--seconds", "1", "--out", str(out))

    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line.get("kind") for line in lines] == [None, None, "idle", "half-body", "trickle"]
    assert all(line["refused"] == 0 for line in lines[2:])
    assert "p99 beside slow ones / alone" in printed


def test_connections_are_counted_by_process() -> None:
    """Two rounds of four: each process has half of them."""
    printed = run("evenness", "--connections", "4", "--rounds", "2")

    assert printed == (
        "4 connections, 2 rounds: worst 2 / 2, the fewest 0.50 of all, on average 0.50\n"
    )


def test_explanations_of_many_classes_are_measured() -> None:
    """A fifth of a second of each kind of request, on a network that never trained."""
    printed = run("explain", "--classes", "20", "--rounds", "1", "--seconds", "0.2")

    assert [line.partition(":")[0] for line in printed.splitlines()] == [
        "top 5",
        "top 5, explained",
        "all classes",
        "all classes, explained",
        "top 5",
        "all classes",
    ]


def test_memory_is_watched_over_many_requests() -> None:
    """A few hundred requests: the figures are there, whatever they are."""
    printed = run("endurance", "--requests", "300", "--most-growth", "10")

    assert printed.startswith("after ")
    assert "end / after a tenth: " in printed
