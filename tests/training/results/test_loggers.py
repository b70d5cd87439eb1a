"""Loggers: the same numbers in every one, none twice, and a word on what to install."""

import json
import sys
from pathlib import Path

import pytest

from tests.trained import SmallModel
from training.__main__ import main
from training.errors import ConfigError
from training.results.log import RunLog
from training.results.loggers.load import LOGGERS, load_loggers
from training.results.loggers.scalars import epoch_scalars, hyperparameters
from training.results.report import Report
from training.results.run import Run
from training.settings.fit import FitSettings


@pytest.fixture
def told(small_models: list[SmallModel]) -> tuple[FitSettings, Report]:
    """Give settings and report of a real run of two epochs."""
    run = Run(small_models[0].run)
    return run.settings(), run.load_model().report


def tell(log: RunLog, told: tuple[FitSettings, Report]) -> None:
    """Tell a log a run that is stopped after its first epoch, and goes on."""
    settings, report = told
    log.begin(settings, ())
    log.epoch(report.epochs[0])
    log.begin(settings, report.epochs[:1])
    log.epoch(report.epochs[1])
    log.test(report.test)


def test_an_unknown_logger_is_refused(tmp_path: Path) -> None:
    """The message names the known ones."""
    with pytest.raises(ConfigError, match="unknown logger 'wandb'; --log takes one of: mlflow, t"):
        load_loggers(["wandb"], tmp_path)


@pytest.mark.parametrize("name", sorted(LOGGERS))
def test_a_logger_that_is_not_installed_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is read or written."""
    for module in [m for m in sys.modules if name in m.split(".")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)

    with pytest.raises(ConfigError, match=rf"pip install 'goodserve\[{name}\]'"):
        load_loggers([name], tmp_path)


def test_a_logger_is_asked_for_before_data_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, one line, and no folder."""
    run = tmp_path / "run"

    assert main(["fit", "cifar10:x", "--run", str(run), "--log", "wandb"]) == 2

    assert "unknown logger 'wandb'" in capsys.readouterr().err
    assert not run.exists()


def test_every_run_keeps_json_lines(tmp_path: Path, told: tuple[FitSettings, Report]) -> None:
    """Each epoch once, also after a stop, and the test."""
    tell(Run(tmp_path).log, told)

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["epoch", "epoch", "test"]
    assert [line.get("epoch") for line in lines] == [1, 2, None]


def test_the_numbers_of_an_epoch_have_names(told: tuple[FitSettings, Report]) -> None:
    """By what they are and by layer, and the settings as the flags call them."""
    settings, report = told

    found = epoch_scalars(report.epochs[0])

    assert found["validation_accuracy/network"] == report.epochs[0].validation.accuracy
    for name in ("train_loss", "validation_accuracy", "layer_weight", "assignment_entropy"):
        assert {f"{name}/layer1", f"{name}/layer2"} <= found.keys()
    assert found["images_per_s"] > 0
    assert hyperparameters(settings)["batch_size"] == 16


def test_tensorboard_reads_what_was_logged(
    tmp_path: Path, told: tuple[FitSettings, Report]
) -> None:
    """By its own reader: each epoch once, the settings, and the test."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415
        EventAccumulator,
    )

    report = told[1]

    tell(load_loggers(["tensorboard"], tmp_path)[0], told)

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    accuracy = events.Scalars("validation_accuracy/network")
    assert [(event.step, event.value) for event in accuracy] == [
        (epoch.epoch, pytest.approx(epoch.validation.accuracy)) for epoch in report.epochs
    ]
    assert events.Scalars("test_accuracy/network")[0].value == pytest.approx(report.test.accuracy)
    assert "_hparams_/session_start_info" in events.summary_metadata


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_reads_what_was_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: tuple[FitSettings, Report]
) -> None:
    """By its own client: one run, each epoch once, the settings, and the test."""
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    report = told[1]

    tell(load_loggers(["mlflow"], tmp_path)[0], told)

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("goodserve")
    (kept,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(kept.info.run_id, "validation_accuracy/network")
    assert sorted((metric.step, metric.value) for metric in history) == [
        (epoch.epoch, epoch.validation.accuracy) for epoch in report.epochs
    ]
    assert kept.info.status == "FINISHED"
    assert kept.data.params["batch_size"] == "16"
    assert kept.data.metrics["test_accuracy/network"] == report.test.accuracy
