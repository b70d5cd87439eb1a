"""Starting a run and going on with one: one writer in a folder, machine and data as they were."""

import functools
import time
from pathlib import Path

from training.data.load import load_dataset
from training.errors import CheckpointError, ConfigError
from training.fit.budget import Clock
from training.fit.device import make_deterministic, resolve
from training.fit.loop import Trainer
from training.fit.progress import Progress, Silent
from training.objective.objective import Objective
from training.objective.terms import TERMS, Terms
from training.parallel.group import ALONE, Group
from training.results.run import Run
from training.results.trained import TrainedModel
from training.settings.data import DataSettings
from training.settings.fit import FitSettings
from training.settings.load import differing

_SILENT = Silent()


def start_run(  # noqa: PLR0913, PLR0917  what a run is made of
    settings: FitSettings,
    run: Run,
    progress: Progress = _SILENT,
    terms: Terms = TERMS,
    clock: Clock = time.monotonic,
    group: Group = ALONE,
) -> TrainedModel:
    """Train a network in a new run.

    Args:
        settings: `auto` is replaced by what this machine has before they are stored.
        run: a folder without a run.
        progress: is told what happens.
        terms: what the objective's settings may name.
        clock: gives seconds, for a run whose time is limited.
        group: the processes that train it together; each calls this.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: settings, data or folder do not allow it.
    """
    run.refuse_existing()
    _refuse_inside_data(run.folder, settings.data)
    settings = _resolved(settings, group)
    # The folder is made last: what cannot start leaves nothing behind.
    trainer = _trainer(settings, run, progress, terms, clock, group)
    trainer.restore(None)
    with run.only_writer():
        run.start(settings)
        return trainer.train()


def resume_run(  # noqa: PLR0913, PLR0917  what a run is made of
    run: Run,
    progress: Progress = _SILENT,
    terms: Terms = TERMS,
    settings: FitSettings | None = None,
    clock: Clock = time.monotonic,
    group: Group = ALONE,
) -> TrainedModel:
    """Go on where a run stopped, or beyond its end; a finished one is only read.

    Args:
        run: a folder with a run.
        progress: is told what happens.
        terms: what the objective's settings may name.
        settings: of another length than the run's own, to make it longer, or with other views;
            None keeps them.
        clock: gives seconds, for a run whose time is limited.
        group: the processes that train it together, however many did before; each calls this.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: there is no run, another process is training in it, its data or device
            are not as they were, or the new length leaves nothing to train.
    """
    stored = group.told(run.settings)
    with run.only_writer():
        is_changed = settings is not None and settings != stored
        if group.told(run.is_finished) and not is_changed:
            return group.told(run.load_model)
        settings = _resolved(settings or stored, group)
        trainer = _trainer(settings, run, progress, terms, clock, group)
        checkpoint = group.told(run.load)
        trainer.restore(checkpoint)
        if group.told(run.is_finished) and _is_read_otherwise(settings, stored):
            epochs = group.told(run.load_model).report.epochs
            run.change(settings)
            run.log.begin(settings, epochs)
            return trainer.read_anew(epochs)
        if is_changed:
            if not _is_read_otherwise(settings, stored):
                _refuse_nothing_left(trainer)
            run.change(settings)
        run.log.begin(settings, checkpoint.epochs if checkpoint is not None else ())
        return trainer.train()


def _refuse_inside_data(folder: Path, data: DataSettings) -> None:
    """Keep a run's files out of the folder of pictures that it learns from.

    Raises:
        ConfigError: they would lie in there, where the next run looks for pictures.
    """
    if data.kind == "folder" and folder.resolve().is_relative_to(Path(data.path).resolve()):
        message = (
            f"{folder} lies inside the pictures of {data.source}, whose sub-folders are classes or "
            "splits; name a folder outside"
        )
        raise ConfigError(message)


def _resolved(settings: FitSettings, group: Group) -> FitSettings:
    return group.told(lambda: settings.model_copy(update={"run": resolve(settings.run)}))


def _refuse_nothing_left(trainer: Trainer) -> None:
    reason = trainer.end()
    if reason is not None:
        message = f"nothing is left to train: {reason}; raise epochs, time or patience"
        raise CheckpointError(message)


def _is_read_otherwise(settings: FitSettings, stored: FitSettings) -> bool:
    """Tell whether images alone are to be read another way, for which nothing is trained."""
    return differing(settings, stored) == ["mirrored"]


def _trainer(  # noqa: PLR0913, PLR0917  what a run is made of
    settings: FitSettings, run: Run, progress: Progress, terms: Terms, clock: Clock, group: Group
) -> Trainer:
    make_deterministic(settings.run)
    objective = Objective(settings.objective, terms)
    seed = settings.run.seed
    dataset = group.in_turn(lambda: load_dataset(settings.data, seed, progress.say))
    # The leader's time, so that no process ends before the others.
    told_time = functools.partial(group.told, clock)
    return Trainer(settings, dataset, run, progress, objective, told_time, group)
