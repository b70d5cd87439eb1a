"""How a run ends, and what is kept of it: small trainings by epochs, time and patience."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.pictures import write_folder
from tests.training.fit.small import settings
from training.errors import CheckpointError, DivergenceError
from training.fit import loop
from training.fit.position import Position
from training.fit.progress import Silent
from training.fit.start import resume_run, start_run
from training.initial.read import TrainedLayers, read_layers
from training.objective.terms import TERMS
from training.objective.view import LayerView
from training.results.run import Run
from training.results.trained import TrainedModel
from training.settings.asked import resumed_settings
from training.settings.load import load_settings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small training folder: 28 images to learn from, three batches."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=12)


class OneSecondPerStep(Silent):
    """A clock that only steps move, and the parts of the run that were told after each."""

    def __init__(self) -> None:
        """Begin at a moment of no meaning."""
        self.now = 1000.0
        self.done: list[float] = []

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now

    def step(self, position: Position, done: float) -> None:
        """Let a second pass."""
        assert position.step
        self.now += 1
        self.done.append(done)


def logged(run: Run) -> list[dict[str, Any]]:
    """Read a run's log."""
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def longer(run: Run, **length: Any) -> TrainedModel:
    """Go on with a run at another length."""
    return resume_run(run, settings=resumed_settings(run.settings(), length, None))


def same(one: TrainedModel, other: TrainedModel) -> bool:
    """Tell whether two networks have the same layers, to the bit, however they are calibrated."""
    first, second = one.network.blocks.state_dict(), other.network.blocks.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_ends_in_time_and_validates_the_part_of_an_epoch(data: Path, tmp_path: Path) -> None:
    """Ten steps are three epochs of three and a part, which is reported as such."""
    run, clock = Run(tmp_path / "run"), OneSecondPerStep()

    trained = start_run(settings(data, time="10s", epochs=0), run, clock, clock=clock)

    assert clock.now == 1010
    assert [epoch.is_whole for epoch in trained.report.epochs] == [True, True, True, False]
    assert [line.get("is_whole") for line in logged(run)] == [True, True, True, False, None]


def test_however_little_time_allows_a_step(data: Path, tmp_path: Path) -> None:
    """Where it is over before the first one, that one is taken, validated and kept."""
    run = Run(tmp_path / "run")

    trained = start_run(settings(data, time="0.000001s", epochs=0), run)

    (epoch,) = trained.report.epochs
    assert not epoch.is_whole
    checkpoint = run.load()
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.step) == (0, 1)


def test_taking_over_layers_is_no_time_of_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred seconds of it leave all ten."""
    start_run(settings(data, epochs=1), Run(tmp_path / "first"))
    clock = OneSecondPerStep()

    def slowly(folder: Path) -> TrainedLayers:
        clock.now += 100
        return read_layers(folder)

    monkeypatch.setattr(loop, "read_layers", slowly)

    asked = settings(data, time="10s", epochs=0, initial=str(tmp_path / "first"))
    start_run(asked, Run(tmp_path / "run"), clock, clock=clock)

    assert clock.now == 1110


def test_a_longer_time_completes_the_epoch(data: Path, tmp_path: Path) -> None:
    """Only time trained counts: of 14 s the four that are left, from the middle of the epoch."""
    run, first, later = Run(tmp_path / "run"), OneSecondPerStep(), OneSecondPerStep()
    before = start_run(settings(data, time="10s", epochs=0), run, first, clock=first)
    checkpoint = run.load()
    asked = resumed_settings(run.settings(), {"time": "14s"}, None)

    after = resume_run(run, later, settings=asked, clock=later)

    assert checkpoint is not None
    assert (checkpoint.seconds, checkpoint.epoch, checkpoint.step) == (10, 3, 1)
    assert later.now == 1004
    assert after.report.epochs[:3] == before.report.epochs[:3]
    assert [epoch.is_whole for epoch in after.report.epochs] == [True] * 4 + [False]


def test_a_run_goes_on_with_two_views(data: Path, tmp_path: Path) -> None:
    """How images are read may change with the length, and changes no weight of its own."""
    trained = []
    for folder, views in (("one", {}), ("two", {"mirrored": True})):
        run = Run(tmp_path / folder)
        start_run(settings(data, epochs=1, keep="last"), run)
        longer(run, epochs=2, **views)
        trained.append(run.load_model())

    assert same(*trained)
    assert [model.network.spec.mirrored for model in trained] == [False, True]
    probe = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    with torch.no_grad():
        of_one, of_two = (model.network.scaled_goodness(probe) for model in trained)
        mirrored = trained[0].network.scaled_goodness(probe.flip(2))
    torch.testing.assert_close(of_two, (of_one + mirrored) / 2)
    with pytest.raises(CheckpointError, match="only epochs, time, patience, mirrored may change"):
        resumed_settings(run.settings(), {"epochs": 3, "widths": (9,)}, None)


def test_a_finished_run_is_read_with_two_views(data: Path, tmp_path: Path) -> None:
    """Nothing is trained for it; epochs were and are validated by the images as they are."""
    run, clock = Run(tmp_path / "run"), OneSecondPerStep()
    before = start_run(settings(data, time="10s", epochs=0), run, clock, clock=clock)

    after = resume_run(
        run, settings=resumed_settings(run.settings(), {"mirrored": True}, None), clock=clock
    )

    assert clock.now == 1010
    assert same(before, after)
    assert after.network.spec.mirrored
    assert after.report.epochs == before.report.epochs
    of_each = [[e.validation for e in trained.report.epochs] for trained in (before, after)]
    assert of_each[0] == of_each[1]
    assert after.report.calibration != before.report.calibration
    assert logged(run)[-1]["event"] == "test"


def test_schedules_follow_the_clock(data: Path, tmp_path: Path) -> None:
    """Of 20 s each step is a twentieth; a layer that stops after a tenth of it soon stays."""
    weights = []
    for time in ("20s", "3s"):
        clock, run = OneSecondPerStep(), Run(tmp_path / time)
        asked = settings(data, time=time, epochs=0, widths=(8, 8), freeze_after=(0.1,), keep="last")
        weights.append(start_run(asked, run, clock, clock=clock).network.state_dict())
        told = clock.done

        assert told == sorted(told)
        assert told[-1] == pytest.approx(1, abs=0.4)

    conv = "blocks.{}.conv.weight"
    assert not torch.equal(weights[0][conv.format(1)], weights[1][conv.format(1)])


def test_patience_ends_a_run_and_a_longer_one_goes_on(data: Path, tmp_path: Path) -> None:
    """A rate of nearly nothing gains nothing; resumed with more patience it trains on."""
    run = Run(tmp_path / "run")
    asked = settings(data, epochs=40, patience=2, learning_rate=1e-12, warmup_fraction=0)

    ended = len(start_run(asked, run).report.epochs)
    with pytest.raises(CheckpointError, match="nothing is left to train: 2 epochs without a lower"):
        longer(run, epochs=60)
    went_on = len(longer(run, patience=4).report.epochs)

    assert ended < 40
    assert ended < went_on < 40


def spoiled_after(steps: int) -> dict[str, Any]:
    """Give a term that spoils a network after so many steps: it then unlearns what it knows."""
    seen = iter(range(10**6))

    def spoil(view: LayerView) -> Tensor:
        return TERMS["cross_entropy"](view) * (-3.0 if next(seen) >= steps else 0.0)

    return {**TERMS, "spoil": spoil}


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_best_or_the_last_epoch_is_kept(data: Path, tmp_path: Path, keep: str) -> None:
    """A network that unlearns from its fourth epoch on keeps what it was, if asked to."""
    run = Run(tmp_path / "run")
    asked = settings(
        data,
        epochs=8,
        keep=keep,
        freeze_after=(1.0,),
        objective={"terms": {"spoil": {"weight": 1.0}}},
    )

    report = start_run(asked, run, terms=spoiled_after(9)).report

    shown = [(e.validation.accuracy, -e.validation.loss, -e.epoch) for e in report.epochs]
    best = -max(shown)[2]
    assert best < 8
    assert report.kept_epoch == (best if keep == "best" else 8)
    found = report.validation.accuracy
    assert found == pytest.approx(report.epochs[report.kept_epoch - 1].validation.accuracy)


def test_a_finished_run_goes_on_at_a_new_length(data: Path, tmp_path: Path) -> None:
    """Two epochs, then four: the stored settings, log and report are those of four."""
    run = Run(tmp_path / "run")
    start_run(settings(data), run)

    report = longer(run, epochs=4).report

    assert [epoch.epoch for epoch in report.epochs] == [1, 2, 3, 4]
    assert run.settings().optimiser.epochs == 4
    assert [line["event"] for line in logged(run)] == ["epoch"] * 4 + ["test"]


def test_what_leaves_nothing_to_train_changes_nothing(data: Path, tmp_path: Path) -> None:
    """The finished run is as it was."""
    run = Run(tmp_path / "run")
    trained = start_run(settings(data), run)
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}

    with pytest.raises(CheckpointError, match="all 1 epochs are done; raise epochs"):
        longer(run, epochs=1)

    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    assert same(resume_run(run), trained)


def test_first_layers_stay_as_they_were_at_the_start(data: Path, tmp_path: Path) -> None:
    """`freeze` leaves what a layer computes alone; its readout and the other layers learn."""
    asked = settings(data, widths=(8, 8), freeze=1, keep="last")

    one = start_run(asked, Run(tmp_path / "one")).network.state_dict()
    changed = asked.model_copy(
        update={"optimiser": asked.optimiser.model_copy(update={"epochs": 1})}
    )
    other = start_run(changed, Run(tmp_path / "other")).network.state_dict()

    frozen = ("blocks.0.conv.", "blocks.0.norm.", "blocks.0.input_norm.")
    assert all(torch.equal(one[n], other[n]) for n in one if n.startswith(frozen))
    assert not torch.equal(one["blocks.0.assignment.logits"], other["blocks.0.assignment.logits"])
    assert not torch.equal(one["blocks.1.conv.weight"], other["blocks.1.conv.weight"])


def test_a_diverged_run_is_found_before_its_epoch_ends(data: Path, tmp_path: Path) -> None:
    """The error names the step, and the last good checkpoint is still there."""
    run = Run(tmp_path / "run")
    asked = settings(data, epochs=40, batch_size=2, freeze_after=(1.0,), checkpoint_every_s=1e-6)
    seen = iter(range(10**6))

    def broken(view: LayerView) -> Tensor:
        return view.means.mean() * (float("nan") if next(seen) == 20 else 0.0)

    asked = load_settings({**asked.model_dump(), "objective": {"terms": {"broken": {}}}})
    with pytest.raises(
        DivergenceError, match="layer 1 diverged in epoch 2, step 6: its loss is nan"
    ):
        start_run(asked, run, terms={**TERMS, "broken": broken})

    checkpoint = run.load()
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.step) == (1, 5)
    assert all(tensor.isfinite().all() for tensor in checkpoint.network.values())
