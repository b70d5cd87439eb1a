"""Real processes that are killed, or run out of disk, in the middle of an epoch."""

import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.pictures import write_folder
from training.__main__ import main
from training.results.checkpoint import Checkpoint
from training.results.run import Run

# A checkpoint after every step: there is time to break an epoch of 70 off in between.
FLAGS = shlex.split(
    "--epochs 2 --batch-size 2 --widths 8 --pool-before 1 --regions 2 --image-size 16 "
    "--threads 1 --precision float32 --checkpoint-every-s 0.000001 --quiet"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a training folder."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=60)


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Train without a break; give the weights."""
    run = tmp_path_factory.mktemp("unbroken") / "run"
    flags = [*FLAGS, "--checkpoint-every-s", "3600"]
    assert main(["fit", f"folder:{data}", "--run", str(run), *flags]) == 0
    return Run(run).load_model().network.state_dict()


def fit_until_mid_epoch(data: Path, run: Path) -> subprocess.Popen[str]:
    """Start to train, and wait for a checkpoint within the first epoch."""
    command = [sys.executable, "-m", "training", "fit", f"folder:{data}", "--run", str(run)]
    process = subprocess.Popen([*command, *FLAGS], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (run / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)  # another process writes it: there is no clock to inject
    return process


def checkpoint_of(run: Path) -> Checkpoint:
    """Read what a broken run left."""
    checkpoint = Run(run).load()
    assert checkpoint is not None
    return checkpoint


def resumed(run: Path) -> dict[str, torch.Tensor]:
    """Go on to the end; give the weights."""
    assert main(["fit", "--run", str(run), "--resume"]) == 0
    return Run(run).load_model().network.state_dict()


def test_a_run_killed_within_an_epoch_ends_with_the_same_weights(
    data: Path, tmp_path: Path, unbroken: dict[str, torch.Tensor]
) -> None:
    """SIGKILL loses the steps since the last checkpoint, and those alone: the bits are the same."""
    run = tmp_path / "run"
    process = fit_until_mid_epoch(data, run)

    process.kill()
    process.communicate()
    checkpoint = checkpoint_of(run)
    found = resumed(run)

    assert (checkpoint.epoch, checkpoint.step > 0) == (0, True)
    assert all(torch.equal(unbroken[name], found[name]) for name in unbroken)
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == [".lock"]


def test_a_full_disk_leaves_the_last_checkpoint(
    data: Path, tmp_path: Path, unbroken: dict[str, torch.Tensor]
) -> None:
    """No file may grow beyond 1,000 bytes any more: the error says so; the run goes on later."""
    run = tmp_path / "run"
    process = fit_until_mid_epoch(data, run)

    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
    _, errors = process.communicate(timeout=300)
    checkpoint = checkpoint_of(run)
    found = resumed(run)

    assert process.returncode == 2
    assert "checkpoint.pt could not be written (File too large, " in errors
    assert "make room, then go on with fit --resume" in errors
    assert "Traceback" not in errors
    assert checkpoint.step > 0
    assert all(torch.equal(unbroken[name], found[name]) for name in unbroken)
