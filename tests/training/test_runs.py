"""Whole runs by the command line: reproducible, resumable, honest about errors."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from model.artifact.repository import ModelRepository
from tests.pictures import write_folder
from tests.trained import SmallModel
from training.__main__ import main
from training.checkpoint import Run

CIFAR_FLAGS = shlex.split(
    "--limit-train 1500 --limit-test 200 --epochs 2 --batch-size 50 --widths 8,16,16 "
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
    """Wait for the first epoch's line in the log, then press Ctrl-C."""
    log, deadline = run / "log.jsonl", time.monotonic() + 120
    while not (log.exists() and log.read_text()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    return errors


def test_interrupted_and_resumed_equals_uninterrupted(real_data: Path, tmp_path: Path) -> None:
    """Two epochs on real CIFAR-10, stopped by Ctrl-C in the middle: bit-identical weights."""
    data = f"cifar10:{real_data}"
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = [*CIFAR_FLAGS, "--precision", "float32"]
    assert main(["fit", data, "--run", str(whole), *flags]) == 0

    process = fit(data, "--run", str(broken), *flags)
    errors = interrupt_in_second_epoch(process, broken)
    checkpoint = Run(broken).load()
    assert main(["fit", "--run", str(broken), "--resume"]) == 0

    assert "go on with --resume" in errors
    assert checkpoint is not None
    assert checkpoint.epoch == 1
    assert 0 < checkpoint.step < 27
    expected, found = weights(whole), weights(broken)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    logs = [(run / "log.jsonl").read_text().splitlines() for run in (whole, broken)]
    events = [[json.loads(line) | {"seconds": 0} for line in log] for log in logs]
    assert events[0] == events[1]
    assert [event["event"] for event in events[0]] == ["epoch", "epoch", "test"]


def test_bfloat16_learns_and_stays_float32_in_store(real_data: Path, tmp_path: Path) -> None:
    """Training in bfloat16 keeps float32 weights and learns: far better than one in ten."""
    flags = [*CIFAR_FLAGS, "--precision", "bfloat16"]
    arguments = ["fit", f"cifar10:{real_data}", "--run", str(tmp_path / "run"), *flags]

    assert main(arguments) == 0

    trained = Run(tmp_path / "run").load_model()
    assert {t.dtype for t in trained.network.parameters()} == {torch.float32}
    assert trained.results["validation"]["accuracy"] > 0.25


def test_a_killed_run_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    """SIGKILL leaves whole files; what the checkpoint does not know is learned again."""
    data = write_folder(tmp_path / "data", per_class=20)
    run = tmp_path / "run"
    flags = [*FOLDER_FLAGS, "--epochs", "400"]
    process = fit(f"folder:{data}", "--run", str(run), *flags)
    deadline = time.monotonic() + 120
    while not (run / "log.jsonl").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()

    checkpoint = Run(run).load()
    assert checkpoint is not None
    assert checkpoint.epoch >= 1
    assert main(["fit", "--run", str(run), "--resume"]) == 0

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line.get("epoch") for line in lines] == [*range(1, 401), None]


def test_a_fixed_assignment_trains_too(tmp_path: Path) -> None:
    """The older methods' equal partition is there for comparison."""
    data = write_folder(tmp_path / "data", per_class=12)
    run = tmp_path / "run"

    status = main(
        ["fit", f"folder:{data}", "--run", str(run), *FOLDER_FLAGS, "--assignment", "fixed"]
    )

    assert status == 0
    assert "blocks.0.partition" in weights(run)


def test_fit_publishes_in_one_go(tmp_path: Path) -> None:
    """`fit --publish` trains, exports, publishes under the folder's name and activates."""
    data = write_folder(tmp_path / "My Photos", per_class=12)
    repository = tmp_path / "repository"

    arguments = ["fit", f"folder:{data}", "--run", str(tmp_path / "run"), *FOLDER_FLAGS]
    status = main([*arguments, "--publish", str(repository)])

    assert status == 0
    assert str(ModelRepository(repository).active()) == "my-photos/1"


def test_publish_without_activating(small_models: list[SmallModel], tmp_path: Path) -> None:
    """`--no-activate` leaves the active version as it is."""
    arguments = ["publish", "--run", str(small_models[0].run), "--repository", str(tmp_path)]

    status = main([*arguments, "--name", "colours", "--no-activate"])

    assert status == 0
    assert ModelRepository(tmp_path).active() is None
    assert len(ModelRepository(tmp_path).versions()) == 1


def test_evaluate_prints_accuracy_with_n(
    small_models: list[SmallModel], capsys: pytest.CaptureFixture[str]
) -> None:
    """Per class and per layer, with the number of images beside it."""
    assert main(["evaluate", "--run", str(small_models[0].run)]) == 0

    printed = capsys.readouterr().out
    accuracy = small_models[0].manifest.accuracy
    assert f"accuracy {accuracy.value:.2%} (n = {accuracy.n})" in printed
    assert all(f"class {label}" in printed for label in ("blue", "green", "red"))
    assert all(f"layer {layer}" in printed for layer in ("stem", "block2"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fit --run {new}", "name the data"),
        ("fit folder:{data} --run {old}", "holds a run already; add --resume"),
        ("fit --run {new} --resume", "holds no run to read"),
        ("fit --run {old} --resume --epochs 7", "a resumed run keeps its settings, but epochs"),
        ("fit folder:{data} --run {new} --epochs 0", "epochs: "),
        ("fit folder:{data} --run {new} --device cuda", "finds no usable GPU"),
        ("fit folder:{data} --run {new} --batch-size 500", "less than a batch of 500"),
        ("fit folder:{data} --run {new} --image-size 8", "no positions left"),
        ("fit folder:{data} --run {new} --assignment fixed --widths 2", "2 channels, 3 classes"),
        ("evaluate --run {new}", "holds no trained model yet"),
        ("evaluate --run {old} --data cifar10:{data}", "cannot read"),
        ("publish --run {new} --repository {new}", "holds no run to read"),
        ("publish --run {old} --repository {new} --export {data}", "holds no export to publish"),
        ("publish --run {old} --repository {new} --name Bad/Name", "bad model name"),
    ],
)
def test_what_the_user_can_fix_is_said_without_a_traceback(
    small_models: list[SmallModel],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    """Status 2, one line, and the line says what to do."""
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    data = write_folder(tmp_path / "data", per_class=12)
    folders = {"data": data, "old": small_models[0].run, "new": tmp_path / "new"}
    extra = (
        "--widths 8,8,8,8 --pool-before 1,2,3,4 --batch-size 8" if "image-size" in arguments else ""
    )
    if "--widths" in arguments:
        extra = "--pool-before 1 --batch-size 8"

    status = main(arguments.format(**folders).split() + extra.split())

    printed = capsys.readouterr().err
    assert status == 2
    assert printed.startswith("goodserve-train: ")
    assert message in printed


def test_changed_data_are_noticed_on_resume(tmp_path: Path) -> None:
    """A run resumed on other images would be no run at all."""
    data = write_folder(tmp_path / "data", per_class=12)
    run = tmp_path / "run"
    arguments = ["fit", f"folder:{data}", "--run", str(run), *FOLDER_FLAGS]
    assert main(arguments) == 0
    (run / "model.pt").unlink()
    os.remove(data / "red" / "0.png")  # noqa: PTH107

    assert main(["fit", "--run", str(run), "--resume"]) == 2
