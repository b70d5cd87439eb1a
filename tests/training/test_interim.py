"""A run that has not finished is exported and published: its best epoch, or where it stands."""

import shlex
import signal
from pathlib import Path

import pytest
import torch

from model.artifact.manifest import Manifest
from model.artifact.repository import ModelRepository
from tests.pictures import write_folder
from training.__main__ import main
from training.fit.progress import Silent
from training.fit.start import start_run
from training.fit.stop import Interrupted
from training.results.run import Run
from training.settings.asked import new_settings

FLAGS = {
    "epochs": 20,
    "batch_size": 8,
    "widths": [8],
    "pool_before": [1],
    "regions": 2,
    "image_size": 16,
    "threads": 1,
    "precision": "float32",
}


class CtrlCInThirdEpoch(Silent):
    """Presses Ctrl-C in the second step of the third epoch."""

    def step(self, position: object, done: float) -> None:
        """Press Ctrl-C where it is time."""
        if done == 8 / 60:
            assert position
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Train two epochs and a part; give the run's folder."""
    data = write_folder(tmp_path / "colours", per_class=12)
    run = tmp_path / "run"
    asked = new_settings({"data": f"folder:{data}", **FLAGS}, None)
    with pytest.raises(Interrupted, match="epoch 3, step 2"):
        start_run(asked, Run(run), CtrlCInThirdEpoch())
    return run


def manifest_of(run: Path) -> Manifest:
    """Read what was exported."""
    return Manifest.model_validate_json((run / "export" / "manifest.json").read_bytes())


def test_a_stopped_run_exports_its_best_epoch_without_a_test(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest claims nothing about the test split, and names the epoch; both states differ."""
    best = Run(stopped).load_best()
    assert best is not None

    assert main(["export", "--run", str(stopped)]) == 0
    first = manifest_of(stopped)
    assert main(["export", "--run", str(stopped), "--state", "last"]) == 0
    last = manifest_of(stopped)

    assert first.accuracy is None
    assert [layer.test_accuracy for layer in first.layers] == [None]
    assert first.training["kept_epoch"] == best.report.epoch
    assert last.training["kept_epoch"] == 3
    assert first.model_sha256 != last.model_sha256
    printed = capsys.readouterr().out
    assert f"epoch {best.report.epoch} of a run that has not finished: validation accur" in printed
    assert "the test split is not read" in printed


def test_a_stopped_run_is_published_as_it_stands(stopped: Path, tmp_path: Path) -> None:
    """It needs no export before; once the run has gone on, it is exported anew."""
    root = tmp_path / "repository"
    publish = shlex.split(f"publish --run {stopped} --repository {root} --name colours")

    assert main(publish) == 0
    assert main([*publish, "--state", "last"]) == 0
    assert main(["fit", "--run", str(stopped), "--resume", "--epochs", "3", "--quiet"]) == 0
    assert main(publish) == 0

    repository = ModelRepository(root)
    told = [repository.manifest(each) for each in sorted(repository.versions(), key=str)]
    assert [manifest.accuracy is None for manifest in told] == [True, True, False]
    assert told[0].model_sha256 != told[1].model_sha256
    assert told[2].training["epochs"] == 3


def test_the_last_state_is_calibrated_as_it_would_be_at_the_end(stopped: Path) -> None:
    """Exporting changes nothing in the run: it goes on from where it stood."""
    before = (stopped / "checkpoint.pt").read_bytes()
    assert main(["export", "--run", str(stopped), "--state", "last"]) == 0

    assert (stopped / "checkpoint.pt").read_bytes() == before
    assert not Run(stopped).is_finished()
    manifest = manifest_of(stopped)
    assert sum(layer.weight for layer in manifest.layers) == pytest.approx(1)
    assert torch.tensor([layer.validation_loss for layer in manifest.layers]).isfinite().all()


def test_before_the_first_epoch_there_is_no_best(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what there is instead."""
    (stopped / "best.pt").unlink()

    assert main(["export", "--run", str(stopped)]) == 2

    assert "holds no validated epoch yet; go on with fit --resume, or name --state last" in (
        capsys.readouterr().err
    )
