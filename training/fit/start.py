"""Starting a run and going on with one: one writer in a folder, machine and data as they were."""

from training.data.load import load_dataset
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
    settings: FitSettings, run: Run, progress: Progress = _SILENT, terms: Terms = TERMS
) -> TrainedModel:
    """Train a network in a new run.

    Args:
        settings: `auto` is replaced by what this machine has before they are stored.
        run: a folder without a run.
        progress: is told what happens.
        terms: what the objective's settings may name.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: settings, data or folder do not allow it.
    """
    run.refuse_existing()
    settings = _resolved(settings)
    # The folder is made last: what cannot start leaves nothing behind.
    trainer = _trainer(settings, run, progress, terms)
    with run.only_writer():
        run.start(settings)
        return trainer.train()


def resume_run(run: Run, progress: Progress = _SILENT, terms: Terms = TERMS) -> TrainedModel:
    """Go on where a run stopped; a finished one is only read.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the checkpoint holds the step it came at.
        TrainingError: there is no run, another process is training in it, or its data or
            device are not as they were.
    """
    settings = run.settings()
    with run.only_writer():
        if run.is_finished():
            return run.load_model()
        settings = _resolved(settings)
        trainer = _trainer(settings, run, progress, terms)
        trainer.restore(run.load())
        return trainer.train()


def _resolved(settings: FitSettings) -> FitSettings:
    return settings.model_copy(update={"run": resolve(settings.run)})


def _trainer(settings: FitSettings, run: Run, progress: Progress, terms: Terms) -> Trainer:
    make_deterministic(settings.run)
    objective = Objective(settings.objective, terms)
    dataset = load_dataset(settings.data, settings.run.seed, progress.say)
    return Trainer(settings, dataset, run, progress, objective)
