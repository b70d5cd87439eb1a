"""Images a second of published versions: real sessions of tiny ones."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pace import main, turn
from model.artifact.image import Pixels
from model.artifact.outputs import PROBABILITIES, SCORES, Outputs
from model.artifact.repository import ModelRepository
from tests.model.artifact.tiny import tiny_model


def published(root: Path, versions: int) -> Path:
    """Publish tiny versions, and activate the last one."""
    repository, tiny = ModelRepository(root), tiny_model(0)
    for _ in range(versions):
        version = repository.publish("colours", tiny.model, tiny.manifest, {})
        repository.activate(version)
    return root


def test_each_version_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which they are named, with the rate between its slowest and fastest turn."""
    root = published(tmp_path / "models", 2)
    named = ["--versions", "colours/2", "colours/1"]

    status = main([str(root), *named, "--rounds", "3", "--seconds", "0.01", "--batch", "4"])

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| colours")]
    cells = [[cell.strip().replace(",", "") for cell in row.split("|")[1:-1]] for row in rows]
    assert status == 0
    assert [row[0] for row in cells] == ["colours/2", "colours/1"]
    for _, _, median, span, by_cpu in cells:
        slowest, fastest = map(int, span.split())
        assert 0 < slowest <= int(median) <= fastest
        assert int(by_cpu) > 0


def test_the_active_version_is_measured_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where none is named; and a repository without one is refused."""
    root = published(tmp_path / "models", 1)

    assert main([str(root), "--rounds", "1", "--seconds", "0.01"]) == 0
    assert "| colours/1 |" in capsys.readouterr().out
    assert main([str(tmp_path / "none")]) == 2
    assert "has no active version" in capsys.readouterr().err


def test_a_turn_counts_what_was_answered_in_its_time() -> None:
    """Every image of every batch, and the CPU time of this process alone."""
    asked: list[Pixels] = []

    def session(pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        assert wanted == (SCORES, PROBABILITIES)
        asked.append(pixels)
        time.sleep(0.01)
        nothing = np.zeros((len(pixels), 2), np.float32)
        return Outputs(scores=nothing, probabilities=nothing)

    found = turn(session, np.zeros((3, 8, 8, 3), np.uint8), 0.05)

    assert found.images == 3 * len(asked) > 0
    assert found.seconds >= 0.01 * len(asked)
    assert found.cpu_s < found.seconds
