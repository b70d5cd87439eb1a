"""Whole runs of two processes against one: the same weights, one writer, stopped and resumed."""

import json
import shlex
import shutil
import signal
from pathlib import Path

import pytest
import torch

from tests.pictures import write_folder
from tests.training.parallel.launch import ended, fit, fit_command, ranks, torchrun
from tests.training.processes import wait_for_an_epoch
from training.__main__ import main
from training.results.checkpoint import Checkpoint
from training.results.run import Run

# A batch of 15 is shared as 7 and 8.
FLAGS = shlex.split(
    "--batch-size 15 --widths 8,12 --pool-before 2 --regions 2 --image-size 16 --threads 1 "
    "--precision float32 --quiet"
)
ENDLESS = [*FLAGS, "--epochs", "100000"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a training folder: 243 images to learn from, 16 batches."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=100)


# Of weights, statistics, losses and accuracies. The most that was found over five seeds is 1.1e-5;
# two threads differ from one thread by as much.
TOLERANCE = 2e-4


def assert_same_training(one: Run, two: Run) -> None:
    """Compare weights, statistics and logs."""
    expected, found = (run.load_model().network.state_dict() for run in (one, two))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=TOLERANCE, rtol=TOLERANCE, msg=name)
    for ours, theirs in zip(logged(one), logged(two), strict=True):
        assert theirs == pytest.approx(ours, abs=TOLERANCE)


def logged(run: Run) -> list[list[float]]:
    """Read what a run's log says of epochs, losses and accuracies, a list for each line."""
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return [
        [
            line.get("epoch", 0),
            *line.get("train_loss_per_layer", []),
            *(line.get("validation", line)[name] for name in ("n", "loss", "accuracy")),
        ]
        for line in lines
    ]


def finished_by_one(run: Path) -> Checkpoint:
    """Finish the epoch in which a run stopped, by one process; give where it had stopped."""
    checkpoint = Run(run).load()
    assert checkpoint is not None
    epochs = str(checkpoint.epoch + 1)
    assert main(["fit", "--run", str(run), "--resume", "--epochs", epochs, "--quiet"]) == 0
    assert len(Run(run).load_model().report.epochs) == checkpoint.epoch + 1
    return checkpoint


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
    status, _, errors = ended(leader, timeout_s=30)
    follower.communicate()

    assert status == 2
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
