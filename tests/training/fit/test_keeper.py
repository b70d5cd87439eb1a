"""Which epoch's weights a run keeps, where it ends in the middle of one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from tests.pictures import write_folder
from tests.training.fit.small import settings
from tests.training.networks import network
from training.fit.keeper import Keeper
from training.fit.position import Position
from training.fit.progress import Silent
from training.fit.start import resume_run, start_run
from training.objective.terms import TERMS, Terms
from training.objective.view import LayerView
from training.results.best import BestEpoch
from training.results.report import Calibration, EpochReport, SplitReport
from training.results.run import Run
from training.settings.asked import resumed_settings


def epoch(number: int, accuracy: float, *, is_whole: bool = True) -> EpochReport:
    """Report an epoch."""
    return EpochReport(
        epoch=number,
        seconds=1,
        train_loss_per_layer=(1.0,),
        calibration=Calibration(
            loss_per_layer=(1.0,), layer_weights=(1.0,), layer_weight_temperature=1, temperature=1
        ),
        validation=SplitReport(
            n=10, loss=1, accuracy=accuracy, per_class=(accuracy,), per_layer=(accuracy,)
        ),
        is_whole=is_whole,
    )


def filled(value: float) -> ForwardForwardNetwork:
    """Give a network all weights of which are one number."""
    made = network()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(value)
    return made


def value_of(found: ForwardForwardNetwork) -> float:
    """Read that number."""
    return float(next(found.parameters()).detach().flatten()[0])


@pytest.mark.parametrize(("accuracy", "kept"), [(0.9, 2), (0.4, 1)], ids=["better", "worse"])
def test_the_part_that_a_run_ends_with_is_kept_if_it_is_the_best(
    tmp_path: Path, accuracy: float, kept: int
) -> None:
    """Its weights are those that the network has; otherwise the whole epoch's are put back."""
    keeper, ends_with = Keeper(Run(tmp_path), "data"), filled(2)
    keeper.see(epoch(1, 0.5), filled(1))
    keeper.see(part := epoch(2, accuracy, is_whole=False), ends_with)

    assert keeper.put_back(ends_with, part) == kept
    assert value_of(ends_with) == kept


def test_a_part_that_was_completed_later_is_not_kept(tmp_path: Path) -> None:
    """The report has the whole epoch under its number: the weights shall not be the part's."""
    before, after = (Keeper(Run(tmp_path), "data") for _ in range(2))
    before.see(epoch(1, 0.5), filled(1))
    before.see(epoch(2, 0.9, is_whole=False), filled(2))
    after.restore()
    after.see(completed := epoch(2, 0.4), found := filled(3))

    assert after.put_back(found, completed) == 1
    assert value_of(found) == 1


def test_a_part_that_an_older_version_stored_gives_way(tmp_path: Path) -> None:
    """A run that goes on keeps the best of the whole epochs to come."""
    run = Run(tmp_path)
    part = epoch(2, 0.9, is_whole=False)
    run.save_best(BestEpoch(part, filled(2).state_dict(), "data"))
    keeper, found = Keeper(run, "data"), filled(4)
    keeper.restore()
    keeper.see(epoch(2, 0.4), filled(3))
    keeper.see(last := epoch(3, 0.3), found)

    assert keeper.put_back(found, last) == 2
    assert value_of(found) == 3


class OneSecondPerStep(Silent):
    """A clock that only steps move."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now

    def step(self, position: Position, done: float) -> None:
        """Let a second pass."""
        assert position.step
        assert done > 0
        self.now += 1


def spoiled_by(weight: float) -> Terms:
    """Give a term by which a network unlearns where the weight is below zero."""

    def spoil(view: LayerView) -> Tensor:
        return TERMS["cross_entropy"](view) * weight

    return {**TERMS, "spoil": spoil}


def test_what_is_kept_validates_as_the_report_says(tmp_path: Path) -> None:
    """A run that ended in its fifth epoch unlearns as it completes it: the part was better."""
    data, run = write_folder(tmp_path / "data", per_class=24), Run(tmp_path / "run")
    clock = OneSecondPerStep()
    asked = settings(
        data,
        time="19s",
        epochs=0,
        learning_rate=0.002,
        freeze_after=(1.0,),
        validation_fraction=0.4,
        objective={"terms": {"spoil": {"weight": 1.0}}},
    )
    start_run(asked, run, clock, spoiled_by(0.0), clock)
    longer = resumed_settings(run.settings(), {"epochs": 5}, None)

    report = resume_run(run, terms=spoiled_by(-50.0), settings=longer).report

    assert [each.is_whole for each in report.epochs] == [True] * 5
    assert report.kept_epoch is not None
    of_kept = report.epochs[report.kept_epoch - 1].validation
    assert report.validation.loss == pytest.approx(of_kept.loss)
