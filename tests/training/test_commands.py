"""The commands: what they refuse, what they keep, and where a run may go on."""

import os
from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from tests.pictures import coloured, write_folder
from tests.trained import SmallModel
from training.__main__ import main
from training.results.reliability import reliability
from training.results.run import Run

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


def test_changed_data_are_noticed_on_resume(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run resumed on other images would be no run at all."""
    run = tmp_path / "run"
    assert fit(data, run) == 0
    (run / "model.pt").unlink()
    os.remove(data / "red" / "0.png")  # noqa: PTH107

    assert main(["fit", "--run", str(run), "--resume"]) == 2
    assert "has changed since the run began" in capsys.readouterr().err


def test_a_run_that_was_stopped_is_published_when_it_is_finished(
    data: Path, tmp_path: Path
) -> None:
    """A run whose model is missing is not finished: resuming trains, exports and publishes it."""
    run, repository = tmp_path / "run", tmp_path / "repository"
    assert fit(data, run) == 0
    (run / "model.pt").unlink()

    assert main(["fit", "--run", str(run), "--resume", "--publish", str(repository)]) == 0

    assert str(ModelRepository(repository).active()) == "data/1"
    assert Run(run).is_finished()


def test_the_flags_a_run_was_started_with_may_be_given_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`auto` was resolved when the run began, and is no change; nor is a relative path."""
    run = tmp_path / "run"
    assert fit(data, run) == 0

    config = tmp_path / "settings.toml"
    config.write_text("epochs = 1\nseed = 0\n")

    assert fit(data, run, f"--device auto --config {config} --resume") == 0

    config.write_text("batch_size = 4\nentropy_weight = 0.3\n")
    assert main(["fit", "--run", str(run), "--config", str(config), "--resume"]) == 2
    assert "keeps its settings, but batch_size, entropy_weight differ" in capsys.readouterr().err


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
    settings.write_text(settings.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    assert "cuda" in settings.read_text()

    arguments = ["fit", "--run", str(run), "--resume", "--publish", str(tmp_path / "repository")]

    assert main(arguments) == 0


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
    assert accuracy is not None
    assert f"accuracy {accuracy.value:.2%} (n = {accuracy.n})" in printed
    assert all(f"class {label}" in printed for label in ("blue", "green", "red"))
    assert all(f"layer {layer}" in printed for layer in ("stem", "block2"))
    run = Run(small_models[0].run)
    stored, temperature = run.load_answers(), run.load_model().report.calibration.temperature
    assert stored is not None
    error = reliability(stored.test.probabilities(temperature), stored.test.labels).error
    assert f"calibration error {error:.2%} (ECE, 15 bins) at temperature" in printed
