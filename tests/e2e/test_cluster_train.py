"""`goodserve-train fit --ray-workers` on a real Ray cluster of two nodes, one of which is lost."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.cluster import Cluster
from tests.pictures import write_folder
from tests.training.parallel.launch import ended, fit, fit_command, start
from tests.training.parallel.runs import ENDLESS, FLAGS, assert_same_training, finished_by_one
from tests.training.processes import wait_for_an_epoch
from training.__main__ import main
from training.results.run import Run

_END_S = 600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a training folder: 243 images to learn from, 16 batches."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=100)


def on_ray(cluster: Cluster, source: Path, run: Path, *flags: str) -> subprocess.Popen[str]:
    """Start a training by two workers."""
    where = ("--ray-workers", "2", "--ray-address", cluster.address)
    return start(fit_command(source, run, *flags, *where))


def workers(raylet: int) -> list[psutil.Process]:
    """Find the workers of a training among what a node runs."""
    found = psutil.Process(raylet).children()
    return [each for each in found if "TrainWorker" in " ".join(each.cmdline())]


def wait_for_another_epoch(process: subprocess.Popen[str], run: Path) -> None:
    """Wait until a run has learned on from where it is now."""
    log = run / "log.jsonl"
    before, deadline = len(log.read_text().splitlines()), time.monotonic() + _END_S
    while len(log.read_text().splitlines()) <= before + 1:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def check_stopped(process: subprocess.Popen[str], run: Path) -> str:
    """Stop a training by Ctrl-C; it leaves a run that one process finishes. Give what it said."""
    process.send_signal(signal.SIGINT)
    status, _, errors = ended(process, _END_S)
    assert status == 130, errors
    assert "Traceback" not in errors
    checkpoint = finished_by_one(run)
    where = f"stopped at epoch {checkpoint.epoch + 1}, step {checkpoint.step}; go on with --resume"
    assert where in errors or not checkpoint.step
    return errors


def test_two_workers_give_the_weights_of_one_process(
    cluster: Cluster, data: Path, tmp_path: Path
) -> None:
    """One on each node: the same global batch, the same training; the leader is heard once."""
    one, two, models = (tmp_path / name for name in ("one", "two", "models"))
    flags = [flag for flag in FLAGS if flag != "--quiet"] + ["--epochs", "2"]
    assert main(fit(data, one, *flags)) == 0

    run = on_ray(cluster, data, two, *flags, "--publish", str(models))
    status, output, errors = ended(run, _END_S)

    assert status == 0, errors
    assert [line[:5] for line in errors.splitlines()] == ["fewer"]  # validation images than 10
    assert output.splitlines().count(f"report {two / 'report.html'}") == 1
    assert output.splitlines().count(f"published colours/1 to {models}, active") == 1
    assert_same_training(Run(one), Run(two))


def test_what_a_worker_cannot_do_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    """It is not tried again, and leaves no folder."""
    status, output, errors = ended(on_ray(cluster, tmp_path / "none", tmp_path / "run"), _END_S)

    assert status == 2
    assert output == ""
    assert len(errors.splitlines()) == 1, errors
    assert f"{tmp_path / 'none'}" in errors
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_without_a_killed_worker(
    cluster: Cluster, data: Path, tmp_path: Path
) -> None:
    """From its checkpoint, by new workers; Ctrl-C then ends it as it ends one process."""
    run = tmp_path / "run"
    process = on_ray(cluster, data, run, *ENDLESS)
    wait_for_an_epoch(process, run, _END_S)

    (killed,) = workers(cluster.raylets[cluster.second])
    killed.kill()
    wait_for_another_epoch(process, run)

    assert "going on from the last checkpoint" in check_stopped(process, run)


def test_a_run_goes_on_without_a_lost_node(cluster: Cluster, data: Path, tmp_path: Path) -> None:
    """There is room for one worker then, which goes on with what two began."""
    run = tmp_path / "run"
    process = on_ray(cluster, data, run, *ENDLESS)
    wait_for_an_epoch(process, run, _END_S)

    cluster.lose_second()
    wait_for_another_epoch(process, run)

    assert "going on from the last checkpoint" in check_stopped(process, run)
