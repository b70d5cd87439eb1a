"""What each command of `goodserve-train` does."""

from pathlib import Path

import torch

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from training.compare.compare import compare as compare_variants
from training.compare.compare import refuse_existing, store
from training.compare.options import CompareOptions
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.data.split import split_validation
from training.errors import CheckpointError, ConfigError, DataError
from training.fit.progress import Silent, Terminal
from training.fit.start import resume_run, start_run
from training.publish.publishing import publish_export, write_export
from training.publish.target import Publication, Target
from training.request import EXPORT_FOLDER, FitRequest
from training.results.html.page import write_page
from training.results.loggers.load import load_loggers
from training.results.measure import read_goodness, report_on
from training.results.run import Run
from training.results.table import split_lines
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings, nested
from training.settings.load import differing, load_settings, read_config
from training.settings.sections import merged

_COMPARED_IMAGES = 256


def fit(request: FitRequest) -> None:
    """Train; with a publication, export and publish what came of it."""
    run = Run(request.folder, load_loggers(request.logs, request.folder))
    settings = run.settings() if request.resume else new_settings(request)
    target = request.publication.target(settings.data) if request.publication else None
    if target is not None:
        target.check()
    progress = Silent() if request.quiet else Terminal()
    if settings.preset is not None:
        progress.say(f"preset {settings.preset}")
    if request.resume:
        refuse_changes(settings, request)
        if run.is_finished():
            print(f"{request.folder} is trained already")
        resume_run(run, progress)
    else:
        start_run(settings, run, progress)
    progress.say(f"report {write_page(run)}")
    if target is not None:
        out = request.folder / EXPORT_FOLDER
        export(request.folder, out)
        _publish(out, target)


def compare(request: FitRequest, options: CompareOptions) -> None:
    """Train every variant of the method, and print what came of it."""
    settings = new_settings(request)
    refuse_existing(request.folder)
    lines = store(compare_variants(settings, options, print), request.folder)
    print("\n".join(lines))


def evaluate(folder: Path, source: str | None) -> None:
    """Print a trained run's accuracy on the test split, per class and per layer."""
    run = Run(folder)
    trained, settings = run.load_model(), run.settings()
    data = settings.data
    if source is not None:
        data = data.model_copy(update={"source": source})
    dataset = load_dataset(data, settings.run.seed)
    if source is None:
        _refuse_other_data(dataset, trained)
    if dataset.labels != trained.report.labels:
        message = f"{data.source} has other classes than the run was trained on"
        raise DataError(message)
    goodness = read_goodness(trained.network, dataset.test, torch.device("cpu"))
    found = report_on(trained.network, goodness, dataset.test.labels)
    print("\n".join(split_lines(trained.report, found)))


def report(folder: Path) -> None:
    """Draw the report of a trained run anew."""
    print(f"report {write_page(Run(folder))}")


def export(folder: Path, out: Path) -> None:
    """Write `model.onnx` and `manifest.json`, checked against torch."""
    from training.publish.export import export as export_model  # noqa: PLC0415  loads onnx
    from training.publish.familiarity import learn_familiarity  # noqa: PLC0415  likewise

    run = Run(folder)
    settings, trained = run.settings(), run.load_model()
    dataset = load_dataset(settings.data, settings.run.seed)
    _refuse_other_data(dataset, trained)
    kept = split_validation(dataset, settings.data.validation_fraction, settings.run.seed)
    familiar = learn_familiarity(trained.network, *kept)
    compared = dataset.test.first(_COMPARED_IMAGES).images
    exported = export_model(trained, settings, compared, familiar)
    path = write_export(exported, out)
    print(
        f"exported {path} ({len(exported.model):,} bytes); onnxruntime agrees "
        f"with torch to {exported.worst:.1e} on {exported.n} test images"
    )


def publish(folder: Path, export_folder: Path, publication: Publication) -> None:
    """Put an exported run into a model repository."""
    _publish(export_folder, publication.target(Run(folder).settings().data))


def anytime(
    version: VersionId, root: Path, source: str, prefix_layers: int | None, *, activate: bool
) -> None:
    """Publish a version anew that may stop after a prefix of its layers."""
    from training.publish.anytime import (  # noqa: PLC0415  loads onnx
        cut_in_two,
        cut_lines,
        validation_images,
    )

    repository = ModelRepository(root)
    stored = repository.read(version)
    cut = cut_in_two(stored, validation_images(stored.manifest, source), prefix_layers)
    published = repository.publish(version.name, stored.model, cut.manifest, cut.graphs)
    if activate:
        repository.activate(published)
    print("\n".join(cut_lines(cut)))
    _print_published(published, Target(root, version.name, activate))


def new_settings(request: FitRequest) -> FitSettings:
    """Validate the settings of a new run.

    Raises:
        ConfigError: no data are named, or a setting is unknown or out of range.
    """
    if "data" not in request.flags and request.config is None:
        message = "name the data: goodserve-train fit KIND:PATH --run FOLDER"
        raise ConfigError(message)
    return _with_absolute_path(load_settings(request.flags, request.config))


def refuse_changes(stored: FitSettings, request: FitRequest) -> None:
    """Make sure that a resumed run is given no setting that it was not started with.

    Raises:
        CheckpointError: settings differ; the message names them.
    """
    config = read_config(request.config) if request.config is not None else {}
    given = merged(config, nested(request.flags))
    asked = _with_absolute_path(load_settings(merged(stored.model_dump(), given)))
    # What `auto` meant was settled when the run began: asked for again, it is no change.
    settled = {n: getattr(stored.run, n) for n, v in dict(asked.run).items() if v == "auto"}
    asked = asked.model_copy(update={"run": asked.run.model_copy(update=settled)})
    changed = differing(asked, stored)
    if changed:
        message = f"a resumed run keeps its settings, but {', '.join(changed)} differ"
        raise CheckpointError(message)


def _with_absolute_path(settings: FitSettings) -> FitSettings:
    """Name the data so that the run can be resumed or exported from another folder."""
    data = settings.data
    path = str(Path(data.path).expanduser().resolve()) if data.path else ""
    source = data.source.removesuffix(data.path) + path
    return settings.model_copy(update={"data": data.model_copy(update={"source": source})})


def _publish(export_folder: Path, target: Target) -> None:
    _print_published(publish_export(export_folder, target), target)


def _print_published(published: VersionId, target: Target) -> None:
    if target.activate:
        print(f"published {published} to {target.root}, active")
    else:
        hint = f"goodserve models activate {published} --repository {target.root}"
        print(f"published {published} to {target.root}; to serve it: {hint}")


def _refuse_other_data(dataset: Dataset, trained: TrainedModel) -> None:
    """Make sure that the test images are those that the run kept for the test."""
    if dataset.fingerprint() != trained.report.data_sha256:
        message = (
            "the data have changed since the run, so images it learned from could count as test "
            "images; bring back the old data, or name a test set with evaluate --data"
        )
        raise DataError(message)
