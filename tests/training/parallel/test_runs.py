"""Whole runs of two processes against one: the same weights, one writer, stopped and resumed."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.pictures import write_folder
from tests.training.parallel.launch import ended, fit, fit_command, ranks, torchrun
from tests.training.parallel.runs import ENDLESS, FLAGS, assert_same_training, finished_by_one
from tests.training.processes import wait_for_an_epoch
from training.__main__ import main
from training.results.run import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a training folder: 243 images to learn from, 16 batches."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=100)


def test_two_processes_give_the_weights_of_one(data: Path, tmp_path: Path) -> None:
    """By torchrun as a user starts it: the same global batch, the same training."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(fit(data, one, *FLAGS, "--epochs", "2")) == 0

    status, output, errors = ended(torchrun(*fit(data, two, *FLAGS, "--epochs", "2")))

    assert status == 0, errors
    assert output == ""
    assert_same_training(Run(one), Run(two))


def test_ctrl_c_of_torchrun_leaves_a_run_that_one_process_finishes(
    data: Path, tmp_path: Path
) -> None:
    """The step in progress ends everywhere, and one process says so."""
    run = tmp_path / "run"
    process = torchrun(*fit(data, run, *ENDLESS))
    wait_for_an_epoch(process, run)

    process.send_signal(signal.SIGINT)
    _, _, errors = ended(process)

    assert errors.count("go on with --resume") == 1
    finished_by_one(run)


def test_the_leader_alone_writes_and_all_stop_together(data: Path, tmp_path: Path) -> None:
    """A signal to the other process stops both; that one's folder was never made."""
    run, other = tmp_path / "run", tmp_path / "other"
    leader, follower = ranks([fit_command(data, each, *ENDLESS) for each in (run, other)])
    wait_for_an_epoch(leader, run)

    follower.send_signal(signal.SIGTERM)
    stopped = [ended(process) for process in (leader, follower)]

    assert [status for status, _, _ in stopped] == [130, 130]
    assert not other.exists()
    checkpoint = finished_by_one(run)
    where = f"stopped at epoch {checkpoint.epoch + 1}, step {checkpoint.step}; go on with --resume"
    assert where in stopped[0][2] or not checkpoint.step
    assert stopped[1][2] == ""


def test_a_killed_process_ends_the_others_and_not_the_run(data: Path, tmp_path: Path) -> None:
    """The leader does not wait for ever, and its last checkpoint is whole."""
    run = tmp_path / "run"
    leader, follower = ranks([fit_command(data, run, *ENDLESS)] * 2)
    wait_for_an_epoch(leader, run)

    follower.kill()
    status, _, errors = ended(leader)
    follower.communicate()

    assert status == 2, errors
    assert "another process of this run has ended" in errors
    assert "Traceback" not in errors
    finished_by_one(run)


def test_two_processes_go_on_with_the_run_of_one(data: Path, tmp_path: Path) -> None:
    """How many processes there are is no part of a run."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(fit(data, one, *FLAGS, "--epochs", "1")) == 0
    shutil.copytree(one, two)
    longer = ["--resume", "--epochs", "2"]
    assert main(fit(data, one, *FLAGS, *longer)) == 0

    for process in ranks([fit_command(data, two, *FLAGS, *longer)] * 2):
        status, _, errors = ended(process)
        assert status == 0, errors

    assert_same_training(Run(one), Run(two))
