"""What is said of swaps, and a short run of the whole benchmark."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.swaps import Part, growth, main, memory_lines, round_lines, two_copies
from benchmarks.tally import Answers
from model.artifact.checks import check_answers
from model.artifact.runtime import OnnxSession

MB = 2**20


def part(swaps: int, slowest_s: float, status: int = 200) -> Part:
    """Give a part of a hundred answers, the last two of them slow."""
    latency_s = np.full(100, 0.001)
    latency_s[-2:] = slowest_s
    return Part(swaps, Answers(1.0, np.full(100, status, np.uint16), latency_s))


def test_parts_with_swaps_are_compared_with_those_without() -> None:
    """Round by round, and failures are counted."""
    parts = [part(0, 0.01), part(5, 0.02), part(0, 0.01), part(5, 0.02, status=503)]

    lines = list(round_lines(parts[:2]))

    assert lines[0].startswith("no swaps: 100 answers, 0 failed; medians over 1 rounds: p50 1.00")
    assert lines[1].startswith("5 swaps: 100 answers, 0 failed")
    assert lines[2] == "p99 with swaps / without: 2.00"
    assert "10 swaps: 200 answers, 100 failed" in list(round_lines(parts))[1]


def test_memory_is_compared_with_that_after_the_tenth_swap() -> None:
    """Before it a service still grows into its pools."""
    memory = [100 * MB] * 10 + [200 * MB] * 10 + [210 * MB]

    assert growth(memory) == pytest.approx(1.05)
    assert list(memory_lines(memory)) == [
        "memory after 10 swaps 200.0 MB, after 20 210.0 MB: 1.050",
        (
            "MB after so many swaps: 0: 100, 2: 100, 4: 100, 6: 100, 8: 100, 10: 200, 12: 200, "
            "14: 200, 16: 200, 18: 200, 20: 210"
        ),
    ]
    assert growth(memory[:5]) == 1.0


def test_the_copies_are_sound(tmp_path: Path) -> None:
    """Both are whole versions, the first one active."""
    repository, versions = two_copies(tmp_path)

    assert repository.active() == versions[0]
    for version in versions:
        stored = repository.read(version)
        check_answers(stored.manifest, OnnxSession(stored.model, "cpu"))


def test_a_real_service_is_swapped(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody who asks meanwhile fails."""
    flags = "--rounds 1 --seconds 2 --every-s 1 --clients 2 --rate 20 --flags=--workers=1"

    assert main(flags.split()) == 0

    printed = capsys.readouterr().out
    assert "no swaps: " in printed
    assert "2 swaps: " in printed
    assert " 0 failed" in printed
