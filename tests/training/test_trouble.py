"""Runs that go wrong: nothing is lost, nothing wrong is stored, and the user is told."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from model.network.stack import ForwardForwardNetwork
from tests.pictures import coloured, write_folder
from training.__main__ import main
from training.checkpoint import Run
from training.data import Split
from training.evaluate import read_goodness

FLAGS = (
    "--batch-size 8 --widths 8 --pool-before 1 --regions 2 --image-size 16 --threads 1 "
    "--precision float32 --quiet"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a small training folder."""
    return write_folder(tmp_path / "data", per_class=16)


def fit(data: Path, run: Path, flags: str = "--epochs 1") -> int:
    """Train with small settings."""
    return main(["fit", f"folder:{data}", "--run", str(run), *FLAGS.split(), *flags.split()])


def test_a_diverged_run_keeps_its_last_good_checkpoint(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with status 2 and advice; no model is stored and the log stays JSON."""
    run = tmp_path / "run"

    status = fit(data, run, "--epochs 4 --learning-rate 1e30")

    assert status == 2
    assert "layer 1 diverged in epoch" in capsys.readouterr().err
    assert not Run(run).is_finished()
    if (run / "log.jsonl").exists():
        for line in (run / "log.jsonl").read_text().splitlines():
            json.loads(line, parse_constant=pytest.fail)


def test_changed_data_are_neither_evaluated_nor_exported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One more image deals the folder anew: images learned from would count as test images."""
    run = tmp_path / "run"
    assert fit(data, run) == 0
    coloured("red", 77).save(data / "red" / "new.png")

    statuses = [main([command, "--run", str(run)]) for command in ("evaluate", "export")]

    assert statuses == [2, 2]
    assert capsys.readouterr().err.count("the data have changed since the run") == 2
    assert main(["evaluate", "--run", str(run), "--data", f"folder:{data}"]) == 0


def test_ctrl_c_in_the_last_validation_publishes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch is stored, the run stops, and --resume finishes it."""
    run, repository = tmp_path / "run", tmp_path / "repository"

    def interrupted(network: ForwardForwardNetwork, split: Split, device: torch.device) -> Any:
        signal.raise_signal(signal.SIGINT)
        return read_goodness(network, split, device)

    with monkeypatch.context() as patched:
        patched.setattr("training.loop.read_goodness", interrupted)
        assert fit(data, run, f"--epochs 1 --publish {repository}") == 130
    assert not Run(run).is_finished()
    assert not (repository / "active.json").exists()

    assert main(["fit", "--run", str(run), "--resume", "--publish", str(repository)]) == 0

    assert (repository / "active.json").exists()


def test_the_flags_a_run_was_started_with_may_be_given_again(data: Path, tmp_path: Path) -> None:
    """`auto` was resolved when the run began, and is no change; nor is a relative path."""
    run = tmp_path / "run"
    assert fit(data, run) == 0

    config = tmp_path / "settings.toml"
    config.write_text("epochs = 1\nseed = 0\n")

    assert fit(data, run, f"--device auto --config {config} --resume") == 0

    config.write_text("epochs = 2\n")
    assert fit(data, run, f"--config {config} --resume") == 2


def test_a_run_does_not_depend_on_where_it_was_started(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is stored as the whole one."""
    monkeypatch.chdir(data.parent)
    assert fit(Path("data"), tmp_path / "run") == 0
    monkeypatch.chdir("/")

    assert main(["evaluate", "--run", str(tmp_path / "run")]) == 0


def test_a_finished_run_is_published_wherever_it_was_trained(data: Path, tmp_path: Path) -> None:
    """A run from a GPU machine can be exported and published on one without."""
    run = tmp_path / "run"
    assert fit(data, run) == 0
    settings = run / "settings.json"
    settings.write_text(settings.read_text().replace('"device":"cpu"', '"device":"cuda"'))
    settings.write_text(settings.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    assert "cuda" in settings.read_text()

    arguments = ["fit", "--run", str(run), "--resume", "--publish", str(tmp_path / "repository")]

    assert main(arguments) == 0


@pytest.mark.parametrize("left", ["settings.json", "checkpoint.pt", "model.pt"])
def test_left_over_files_are_not_taken_for_a_new_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], left: str
) -> None:
    """Any file of an older run in the folder is a reason not to start."""
    (tmp_path / left).write_bytes(b"")

    assert fit(data, tmp_path) == 2

    assert "holds a run already" in capsys.readouterr().err


@pytest.mark.parametrize("damaged", ["checkpoint.pt", "settings.json"])
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_damaged_files_of_a_run_are_named(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damaged: str,
    content: bytes,
) -> None:
    """Status 2 and one line."""
    run = tmp_path / "run"
    assert fit(data, run) == 0
    (run / "model.pt").unlink()
    (run / damaged).write_bytes(content)

    assert main(["fit", "--run", str(run), "--resume"]) == 2

    printed = capsys.readouterr().err
    assert f"{damaged} is damaged" in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--publish {file}/x", "Not a directory"),
        ("--publish {folder} --name Bad/Name", "bad model name"),
    ],
)
def test_what_would_hinder_publishing_is_said_before_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    """Not an hour later."""
    (tmp_path / "file").write_text("")
    where = {"file": tmp_path / "file", "folder": tmp_path / "repository"}

    assert fit(data, tmp_path / "run", flags.format(**where)) == 2

    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_list_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The text that does not parse stands in the message."""
    with pytest.raises(SystemExit):
        main(["fit", "folder:x", "--run", "y", "--widths", "8,x"])

    assert "'8,x' is no list of whole numbers" in capsys.readouterr().err
