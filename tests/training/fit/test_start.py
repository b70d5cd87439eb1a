"""Starting and resuming a run: stopped in the last validation, diverged, with a new term."""

import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.pictures import write_folder
from tests.training.fit.small import settings
from training.errors import CheckpointError, ConfigError, DivergenceError
from training.fit.position import Position
from training.fit.progress import Silent
from training.fit.start import resume_run, start_run
from training.fit.stop import Interrupted
from training.objective.terms import TERMS
from training.objective.view import LayerView
from training.results.run import Run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a small training folder."""
    return write_folder(tmp_path / "data", per_class=12)


class CtrlC(Silent):
    """Presses Ctrl-C when an epoch's line is printed, which is after its validation."""

    def say(self, line: str) -> None:
        """Press Ctrl-C."""
        if line.startswith("epoch"):
            signal.raise_signal(signal.SIGINT)


class Followed(Silent):
    """Remembers the steps it was told of."""

    def __init__(self) -> None:
        """Begin with none."""
        self.steps: list[tuple[int, int]] = []

    def step(self, position: Position, done: float) -> None:
        """Remember a step."""
        assert 0 < done <= 1
        self.steps.append((position.epoch, position.step))


def test_a_run_stopped_in_its_last_validation_is_not_finished(data: Path, tmp_path: Path) -> None:
    """The epoch is stored, nothing is tested yet, and resuming finishes it without a step."""
    run, progress = Run(tmp_path / "run"), Followed()

    with pytest.raises(Interrupted, match="stopped after epoch 1"):
        start_run(settings(data, epochs=1), run, CtrlC())
    assert not run.is_finished()

    trained = resume_run(run, progress)

    assert progress.steps == []
    assert trained.report.test.n > 0
    assert run.is_finished()


def test_every_step_is_told(data: Path, tmp_path: Path) -> None:
    """28 images to learn from are three batches of 8 in each of two epochs."""
    progress = Followed()

    start_run(settings(data), Run(tmp_path / "run"), progress)

    assert progress.steps == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]


def test_a_diverged_run_keeps_its_last_good_checkpoint(data: Path, tmp_path: Path) -> None:
    """No model is stored, and what was good before can still be read."""
    run = Run(tmp_path / "run")

    told = r"layer 1 diverged in epoch \d, step \d: .*lower learning_rate"
    with pytest.raises(DivergenceError, match=told):
        start_run(settings(data, epochs=4, learning_rate=1e30), run)

    assert not run.is_finished()
    checkpoint = run.load()
    assert checkpoint is None or checkpoint.loss_sum.isfinite().all()


def quiet(view: LayerView) -> Tensor:
    """Punish activity: a term that the project does not have."""
    return view.means.mean()


def test_a_whole_run_learns_from_a_new_term(data: Path, tmp_path: Path) -> None:
    """A function and a settings entry: the run stores the entry, and other weights come of it."""
    plain = start_run(settings(data), Run(tmp_path / "plain"))
    asked = settings(data, objective={"terms": {"quiet": {"weight": 2.0}}})

    found = start_run(asked, Run(tmp_path / "run"), terms={**TERMS, "quiet": quiet})

    name = "blocks.0.conv.weight"
    assert not torch.equal(plain.network.state_dict()[name], found.network.state_dict()[name])
    assert Run(tmp_path / "run").settings().objective.terms["quiet"].weight == 2.0


def test_an_unknown_term_leaves_no_folder_behind(data: Path, tmp_path: Path) -> None:
    """It is found before anything is made."""
    asked = settings(data, objective={"terms": {"margn": {"weight": 2.0}}})

    with pytest.raises(ConfigError, match="unknown terms of the objective: margn"):
        start_run(asked, Run(tmp_path / "run"))

    assert not (tmp_path / "run").exists()


def test_of_two_first_starts_the_second_is_refused(data: Path, tmp_path: Path) -> None:
    """While the first one trains, another that began as early finds the folder taken."""
    run = Run(tmp_path / "run")

    with run.only_writer(), pytest.raises(CheckpointError, match="another process is training in"):
        start_run(settings(data), run)


def test_a_checkpoint_of_another_network_is_refused(data: Path, tmp_path: Path) -> None:
    """Its weights do not load in part."""
    first, other = Run(tmp_path / "first"), Run(tmp_path / "other")
    for run, widths in ((first, (8,)), (other, (9,))):
        with pytest.raises(Interrupted):
            start_run(settings(data, epochs=1, widths=widths), run, CtrlC())
    (first.folder / "checkpoint.pt").replace(other.folder / "checkpoint.pt")

    with pytest.raises(CheckpointError, match="is not of this run's network"):
        resume_run(other)


def test_layers_that_are_frozen_as_drawn_are_told(data: Path, tmp_path: Path) -> None:
    """Without --from there is nothing in them that was learned."""
    said: list[str] = []

    class Said(Silent):
        def say(self, line: str) -> None:
            said.append(line)

    asked = settings(data, epochs=1, widths=(8, 8), freeze=1)
    start_run(asked, Run(tmp_path / "run"), Said())

    assert any("freeze 1: these layers stay as drawn" in line for line in said)


@pytest.mark.parametrize("change", [{"crop_padding": 17}, {"cutout": 17}, {"cutout": 10**30}])
def test_augmentation_that_leaves_nothing_is_refused(
    data: Path, tmp_path: Path, change: dict[str, int]
) -> None:
    """A shift or a square larger than the images."""
    with pytest.raises(ConfigError, match=r"more than the images' 16 x 16 pixels"):
        start_run(settings(data, **change), Run(tmp_path / "run"))
