"""Starting a run and going on with one: one writer in a folder, machine and data as they were."""

import time

from training.data.load import load_dataset
from training.errors import CheckpointError
from training.fit.budget import Clock
from training.fit.device import make_deterministic, resolve
from training.fit.loop import Trainer
from training.fit.progress import Progress, Silent
from training.objective.objective import Objective
from training.objective.terms import TERMS, Terms
from training.results.run import Run
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings

_SILENT = Silent()


def start_run(
    settings: FitSettings,
    run: Run,
    progress: Progress = _SILENT,
    terms: Terms = TERMS,
    clock: Clock = time.monotonic,
) -> TrainedModel:
    """Train a network in a new run.

    Args:
        settings: `auto` is replaced by what this machine has before they are stored.
        run: a folder without a run.
        progress: is told what happens.
        terms: what the objective's settings may name.
        clock: gives seconds, for a run whose time is limited.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: settings, data or folder do not allow it.
    """
    run.refuse_existing()
    settings = _resolved(settings)
    # The folder is made last: what cannot start leaves nothing behind.
    trainer = _trainer(settings, run, progress, terms, clock)
    trainer.restore(None)
    with run.only_writer():
        run.start(settings)
        return trainer.train()


def resume_run(
    run: Run,
    progress: Progress = _SILENT,
    terms: Terms = TERMS,
    settings: FitSettings | None = None,
    clock: Clock = time.monotonic,
) -> TrainedModel:
    """Go on where a run stopped, or beyond its end; a finished one is only read.

    Args:
        run: a folder with a run.
        progress: is told what happens.
        terms: what the objective's settings may name.
        settings: of another length than the run's own, to make it longer; None keeps them.
        clock: gives seconds, for a run whose time is limited.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: there is no run, another process is training in it, its data or device
            are not as they were, or the new length leaves nothing to train.
    """
    stored = run.settings()
    with run.only_writer():
        is_changed = settings is not None and settings != stored
        if run.is_finished() and not is_changed:
            return run.load_model()
        settings = _resolved(settings or stored)
        trainer = _trainer(settings, run, progress, terms, clock)
        checkpoint = run.load()
        trainer.restore(checkpoint)
        if is_changed:
            _refuse_nothing_left(trainer)
            run.change(settings)
        run.log.begin(settings, checkpoint.epochs if checkpoint is not None else ())
        return trainer.train()


def _resolved(settings: FitSettings) -> FitSettings:
    return settings.model_copy(update={"run": resolve(settings.run)})


def _refuse_nothing_left(trainer: Trainer) -> None:
    reason = trainer.end()
    if reason is not None:
        message = f"nothing is left to train: {reason}; raise epochs, time or patience"
        raise CheckpointError(message)


def _trainer(
    settings: FitSettings, run: Run, progress: Progress, terms: Terms, clock: Clock
) -> Trainer:
    make_deterministic(settings.run)
    objective = Objective(settings.objective, terms)
    dataset = load_dataset(settings.data, settings.run.seed, progress.say)
    return Trainer(settings, dataset, run, progress, objective, clock)
