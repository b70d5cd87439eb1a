"""What `fit --ray-workers` refuses before any cluster is asked, in one line."""

import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.pictures import write_folder
from tests.trained import SmallModel
from tests.training.parallel.launch import ended, fit_command, start
from training.__main__ import main

NO_RAY = find_spec("ray") is None
needs_ray = pytest.mark.skipif(NO_RAY, reason="no ray here: pip install 'goodserve[ray]'")


def test_flags_of_a_cluster_need_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a number of workers they would be without effect."""
    flags = ["--ray-address", "head:6379", "--ray-gpu"]

    assert main(["fit", "folder:none", "--run", str(tmp_path / "run"), *flags]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "--ray-address, --ray-gpu: name --ray-workers too" in line


@pytest.mark.skipif(not NO_RAY, reason="ray is here")
def test_ray_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that installs it."""
    assert main(["fit", "folder:none", "--run", str(tmp_path / "run"), "--ray-workers", "2"]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'goodserve[ray]'" in line


@pytest.mark.parametrize(
    "flags", [("--ray-workers", "0"), ("--ray-workers", "2", "--ray-cores", "x")]
)
def test_what_is_no_number_of_workers_or_cores_is_refused(
    flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the flag's name."""
    assert main(["fit", "folder:none", "--run", str(tmp_path / "run"), *flags]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert flags[-2].removeprefix("--").replace("-", "_") in line


@needs_ray
def test_a_run_that_is_there_is_refused_before_a_cluster_is_asked(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """As without a cluster."""
    data = write_folder(tmp_path / "data", per_class=3)
    flags = ("--ray-workers", "2", "--ray-address", "127.0.0.1:1")

    status, _, errors = ended(start(fit_command(data, small_models[0].run, *flags)), 600)

    assert status == 2
    (line,) = errors.splitlines()
    assert "holds a run already; add --resume" in line


@needs_ray
def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """It names the address."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    flags = ("--ray-workers", "2", "--ray-address", address)

    status, _, errors = ended(start(fit_command(tmp_path, tmp_path / "run", *flags)), 600)

    assert status == 2
    (line,) = errors.splitlines()
    assert f"no Ray cluster answers at {address}" in line
