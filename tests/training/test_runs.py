"""Whole runs by the command line: reproducible, resumable, one writer each."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.artifact.repository import ModelRepository
from model.artifact.signing import TrustedKeys, write_new_key
from model.artifact.version import VersionId
from tests.pictures import write_folder
from tests.training.processes import wait_for_an_epoch
from training.__main__ import main
from training.results.run import Run

CIFAR_FLAGS = shlex.split(
    "--limit-train 1500 --limit-test 200 --epochs 2 --batch-size 25 --widths 8,16,16 "
    "--pool-before 2,3 --threads 1 --quiet"
)
FOLDER_FLAGS = shlex.split(
    "--epochs 1 --batch-size 8 --widths 8 --pool-before 1 --regions 2 --image-size 16 "
    "--threads 1 --precision float32 --quiet"
)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Read a finished run's weights and buffers."""
    return Run(run).load_model().network.state_dict()


def fit(*arguments: str) -> subprocess.Popen[str]:
    """Start `goodserve-train fit` as a user would."""
    command = [sys.executable, "-m", "training", "fit", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def interrupt_in_second_epoch(process: subprocess.Popen[str], run: Path) -> str:
    """Press Ctrl-C after the first epoch."""
    wait_for_an_epoch(process, run)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    return errors


def test_interrupted_and_resumed_equals_uninterrupted(real_data: Path, tmp_path: Path) -> None:
    """Two epochs on real CIFAR-10, stopped by Ctrl-C in the middle: bit-identical weights."""
    data = f"cifar10:{real_data}"
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = [*CIFAR_FLAGS, "--precision", "float32"]
    assert main(["fit", data, "--run", str(whole), *flags]) == 0

    # A checkpoint after every step: the epoch lasts long enough for the signal to come in it.
    process = fit(data, "--run", str(broken), *flags, "--checkpoint-every-s", "0.000001")
    errors = interrupt_in_second_epoch(process, broken)
    checkpoint = Run(broken).load()
    assert main(["fit", "--run", str(broken), "--resume"]) == 0

    assert "go on with --resume" in errors
    assert checkpoint is not None
    assert checkpoint.epoch == 1
    assert 0 < checkpoint.step < 54
    expected, found = weights(whole), weights(broken)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    logs = [(run / "log.jsonl").read_text().splitlines() for run in (whole, broken)]
    events = [
        [json.loads(line) | {"seconds": 0, "images_per_s": 0} for line in log] for log in logs
    ]
    assert events[0] == events[1]
    assert [event["event"] for event in events[0]] == ["epoch", "epoch", "test"]


def test_bfloat16_learns_and_stays_float32_in_store(real_data: Path, tmp_path: Path) -> None:
    """Training in bfloat16 keeps float32 weights and learns: far better than one in ten."""
    flags = [*CIFAR_FLAGS, "--precision", "bfloat16"]
    arguments = ["fit", f"cifar10:{real_data}", "--run", str(tmp_path / "run"), *flags]

    assert main(arguments) == 0

    trained = Run(tmp_path / "run").load_model()
    assert {t.dtype for t in trained.network.parameters()} == {torch.float32}
    assert trained.report.validation.accuracy > 0.25


def test_a_run_has_one_writer_and_goes_on_when_it_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resuming a run that is running is refused; SIGKILL leaves whole files and no lock."""
    data = write_folder(tmp_path / "data", per_class=20)
    run = tmp_path / "run"
    flags = [*FOLDER_FLAGS, "--epochs", "60"]
    process = fit(f"folder:{data}", "--run", str(run), *flags)
    wait_for_an_epoch(process, run)
    process.send_signal(signal.SIGSTOP)  # it stands still, and still holds the folder

    refused = main(["fit", "--run", str(run), "--resume"])
    process.kill()
    process.communicate()

    assert refused == 2
    assert f"another process is training in {run}" in capsys.readouterr().err
    checkpoint = Run(run).load()
    assert checkpoint is not None
    assert checkpoint.epoch >= 1
    assert main(["fit", "--run", str(run), "--resume"]) == 0

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line.get("epoch") for line in lines] == [*range(1, 61), None]


def test_a_fixed_assignment_trains_too(tmp_path: Path) -> None:
    """The older methods' equal partition is there for comparison."""
    data = write_folder(tmp_path / "data", per_class=12)
    run = tmp_path / "run"

    status = main(
        ["fit", f"folder:{data}", "--run", str(run), *FOLDER_FLAGS, "--assignment", "fixed"]
    )

    assert status == 0
    assert "blocks.0.assignment.partition" in weights(run)


def test_fit_publishes_in_one_go(tmp_path: Path) -> None:
    """`fit --publish` trains, exports, publishes under the folder's name and activates."""
    data = write_folder(tmp_path / "My Photos", per_class=12)
    repository = tmp_path / "repository"

    public = write_new_key(tmp_path / "key")

    arguments = ["fit", f"folder:{data}", "--run", str(tmp_path / "run"), *FOLDER_FLAGS]
    signed = ["--sign", str(tmp_path / "key")]
    status = main([*arguments, "--publish", str(repository), *signed])

    assert status == 0
    trusting = ModelRepository(repository, TrustedKeys.read(public))
    assert str(trusting.active()) == "my-photos/1"
    assert trusting.read(VersionId("my-photos", "1")).manifest.labels
