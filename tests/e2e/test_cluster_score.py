"""`goodserve score` on a real Ray cluster of two nodes, one of which is lost in the middle."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from service.__main__ import main
from tests.e2e.cluster import Cluster
from tests.pictures import encoded, textured

_PICTURES, _PART = 240, 3
_END_S = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pictures that take some time to decode, and a file that is none."""
    root = tmp_path_factory.mktemp("pictures")
    kinds = [encoded(textured(900 + 40 * kind, 700)) for kind in range(6)]
    for number in range(_PICTURES):
        (root / str(number % 4)).mkdir(exist_ok=True)
        (root / str(number % 4) / f"{number:03}.png").write_bytes(kinds[number % len(kinds)])
    (root / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def parquet(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same pictures as a Parquet file, a row group for every three."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415  an extra

    files = sorted(folder.rglob("*.png"))
    values = [{"bytes": file.read_bytes(), "path": str(file)} for file in files]
    target = tmp_path_factory.mktemp("parquet") / "pictures.parquet"
    parquet.write_table(pyarrow.table({"image": values}), target, row_group_size=_PART)
    return target


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Classify the same pictures in this process."""
    out = tmp_path_factory.mktemp("local") / "rows.jsonl"
    main(["predict", str(folder), "--repository", str(BUNDLED_REPOSITORY), "--out", str(out)])
    return {row["path"]: row for row in rows_of([out])}


def rows_of(files: list[Path]) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def start(cluster: Cluster, source: Path, to: Path) -> subprocess.Popen[str]:
    """Begin to score in a process of its own."""
    command = [sys.executable, "-m", "service", "score", str(source), "--to", str(to)]
    command += ["--repository", str(BUNDLED_REPOSITORY), "--part-size", str(_PART)]
    return subprocess.Popen(
        [*command, "--address", cluster.address],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def told_of(process: subprocess.Popen[str], what: str) -> str:
    """Read what a process says until it speaks of something; give all of it."""
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if what in line:
            return said
    raise AssertionError(said)


def parts(folder: Path) -> list[Path]:
    """List the parts that are there."""
    return sorted(folder.glob("part-*.jsonl"))


def check_whole(to: Path, expected: dict[str, dict[str, Any]]) -> None:
    """Hold the answers against those of this process: all, each once, nothing else there."""
    found = rows_of(parts(to))
    assert sorted(row["path"] for row in found) == sorted(expected)
    for row in found:
        known = expected[row["path"]]
        assert (row["label"], row["model"]) == (known["label"], known["model"])
        assert row["probability"] == pytest.approx(known["probability"], abs=1e-4)
        assert row["familiarity"] == pytest.approx(known["familiarity"], abs=0.1)
    assert {path.name.partition("-")[0] for path in to.iterdir()} == {
        "plan.jsonl",
        "part",
        "failed",
    }


def test_a_run_that_was_killed_is_gone_on_with(
    cluster: Cluster, parquet: Path, folder: Path, tmp_path: Path, expected: dict[str, Any]
) -> None:
    """What has a part is not scored again; nothing is lost, and nothing is twice."""
    files = sorted(folder.rglob("*.png"))
    named = {f"{parquet}:{row}": expected.get(str(file)) for row, file in enumerate(files)}
    broken = [name for name, row in named.items() if row is None]
    to = tmp_path / "scores"
    with start(cluster, parquet, to) as first:
        told_of(first, "part-")
        first.send_signal(signal.SIGKILL)
    before = {path.name: path.stat().st_mtime_ns for path in parts(to)}

    with start(cluster, parquet, to) as second:
        _, said = second.communicate(timeout=_END_S)

    assert 0 < len(before) < len(list(parts(to)))
    assert second.returncode == 1, said
    assert "1 pictures could not be read" in said
    after = {path.name: path.stat().st_mtime_ns for path in parts(to)}
    assert before.items() <= after.items()
    check_whole(to, {name: row for name, row in named.items() if row is not None})
    assert [row["path"] for row in rows_of(sorted(to.glob("failed-*.jsonl")))] == broken


def test_a_node_that_is_lost_takes_no_picture_with_it(
    cluster: Cluster, folder: Path, tmp_path: Path, expected: dict[str, Any]
) -> None:
    """Its raylet is killed while it scores: the other node does all that was not whole."""
    to = tmp_path / "scores"
    with start(cluster, folder, to) as run:
        said = told_of(run, cluster.second)
        cluster.lose_second()
        at_loss = len(parts(to))
        _, rest = run.communicate(timeout=_END_S)

    assert run.returncode == 1, said + rest
    assert "1 pictures could not be read" in rest
    assert at_loss < len(parts(to))
    check_whole(to, expected)
