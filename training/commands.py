"""What each command of `goodserve-train` does."""

import functools
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from model.artifact.repository import MANIFEST_FILE, ModelRepository
from model.artifact.version import VersionId
from training.compare.compare import compare as compare_variants
from training.compare.compare import refuse_existing, store
from training.compare.options import CompareOptions
from training.data.dataset import Dataset, Split
from training.data.load import count_pictures, load_dataset
from training.data.split import split_validation
from training.errors import ConfigError, DataError
from training.fit.interim import interim_model
from training.fit.progress import Progress, Silent, Terminal
from training.fit.start import resume_run, start_run
from training.fit.stop import Interrupted
from training.parallel.followed import FollowedRun
from training.parallel.group import Group
from training.parallel.together import joined
from training.publish.conformal import calibrated
from training.publish.holdout import with_holdout
from training.publish.provenance import made_from
from training.publish.publishing import Published, publish_export, write_export
from training.publish.target import Publication, Target
from training.publish.validation import validation_images
from training.request import EXPORT_FOLDER, INTERRUPTED, FitRequest
from training.results.html.page import write_page
from training.results.loggers.load import load_loggers
from training.results.measure import answers_on, read_goodness, report_on
from training.results.run import Run
from training.results.table import calibration_line, interim_lines, split_lines
from training.results.trained import InterimModel, TrainedModel
from training.settings.asked import new_settings, of_equal_length, resumed_settings
from training.settings.fit import FitSettings
from training.settings.values import Keep, StoredWeights

_COMPARED_IMAGES = 256


def fit(request: FitRequest, joining: Callable[[], AbstractContextManager[Group]] = joined) -> None:
    """Train; with a publication, export and publish what came of it.

    Where torchrun or Ray has started several processes, all of them train, and the leader does the
    rest; `joining` gives them.
    """
    with joining() as group:
        if not group.is_leader:
            _follow(request, group)
            return
        run = Run(request.folder, load_loggers(request.logs, request.folder))
        settings = _asked(request, run)
        target = request.publication.target(settings.data) if request.publication else None
        if target is not None:
            target.check()
        progress = Silent() if request.quiet else Terminal()
        if settings.preset is not None:
            progress.say(f"preset {settings.preset}")
        optimiser = settings.optimiser
        epochs = optimiser.epochs or "any number of"
        progress.say(f"batches of {optimiser.batch_size}, {epochs} epochs")
        if request.resume and run.is_finished() and settings == run.settings():
            print(f"{request.folder} is trained already")
        _train(request, settings, run, progress, group)
    progress.say(f"report {write_page(run)}")
    if target is not None:
        out = request.folder / EXPORT_FOLDER
        export(request.folder, out)
        _publish(out, target)


def _asked(request: FitRequest, run: Run) -> FitSettings:
    """Give the settings of the run that is asked for, new or old."""
    if request.resume:
        return resumed_settings(run.settings(), request.flags, request.config)
    return new_settings(request.flags, request.config, count_pictures)


def _train(
    request: FitRequest, settings: FitSettings | None, run: Run, progress: Progress, group: Group
) -> None:
    """Train by the leader's settings."""
    told = group.told(lambda: settings)
    assert told is not None  # noqa: S101  the leader has them
    if request.resume:
        resume_run(run, progress, settings=told, group=group)
    else:
        start_run(told, run, progress, group=group)


def _follow(request: FitRequest, group: Group) -> None:
    """Train beside the leader, who alone reads what is asked, writes, and speaks."""
    # The leader warns of the same.
    logging.getLogger("goodserve").setLevel(logging.ERROR)
    try:
        _train(request, None, FollowedRun(request.folder), Silent(), group)
    except Interrupted:
        # The leader says where the run stopped.
        raise SystemExit(INTERRUPTED) from None


def compare(request: FitRequest, options: CompareOptions) -> None:
    """Train every variant of the method, and print what came of it."""
    settings = of_equal_length(new_settings(request.flags, request.config, count_pictures))
    refuse_existing(request.folder)
    keep = functools.partial(store, folder=request.folder)
    print("\n".join(store(compare_variants(settings, options, print, keep), request.folder)))


def evaluate(folder: Path, source: str | None) -> None:
    """Print a trained run's accuracy on the test split, per class and per layer."""
    run = Run(folder)
    trained, settings = run.load_model(), run.settings()
    data = settings.data
    if source is not None:
        size = trained.network.spec.image_height  # of square images, as the network learned them
        data = data.model_copy(update={"source": source, "image_size": size})
    dataset = load_dataset(data, settings.run.seed)
    if source is None:
        _refuse_other_data(dataset, trained)
    if dataset.labels != trained.report.labels:
        message = f"{data.source} has other classes than the run was trained on"
        raise DataError(message)
    goodness = read_goodness(trained.network, dataset.test, torch.device("cpu"))
    found = report_on(trained.network, goodness, dataset.test.labels)
    print("\n".join(split_lines(trained.report, found)))
    answers = answers_on(trained.network, goodness, dataset.test.labels)
    print(calibration_line(answers, trained.report.calibration.temperature))


def report(folder: Path) -> None:
    """Draw the report of a trained run anew."""
    print(f"report {write_page(Run(folder))}")


def export(
    folder: Path, out: Path, state: Keep | None = None, weights: StoredWeights = "float32"
) -> None:
    """Write `model.onnx` and `manifest.json`, checked against torch.

    A run that has not finished gives its best epoch, or another state, without a test accuracy.
    """
    from training.publish.export import export as export_model  # noqa: PLC0415  loads onnx
    from training.results.familiarity import learn_familiarity  # noqa: PLC0415  likewise

    run = Run(folder)
    settings = run.settings()
    dataset = load_dataset(settings.data, settings.run.seed)
    kept = split_validation(dataset, settings.data.validation_fraction, settings.run.seed)
    model, compared = _exportable(run, dataset, kept, state)
    familiar = learn_familiarity(model.network, *kept)
    images = compared.first(_COMPARED_IMAGES).images
    exported = export_model(model, settings, images, familiar, kept[1], weights)
    path = write_export(exported, out)
    is_exact = exported.rounding is None
    print(
        f"exported {path} ({len(exported.model):,} bytes); onnxruntime agrees "
        f"with torch to {exported.worst:.1e} on {exported.n} images{'' if is_exact else ','}"
    )
    if not is_exact:
        print(
            f"before weights were rounded to float16: that changes a probability by "
            f"{exported.rounding:.1e} at most"
        )


def _exportable(
    run: Run, dataset: Dataset, kept: tuple[Split, Split], state: Keep | None
) -> tuple[InterimModel, Split]:
    """Give what a run has to export, and images to compare it on."""
    settings = run.settings()
    if run.is_finished() and state in {None, settings.optimiser.keep}:
        trained = run.load_model()
        _refuse_other_data(dataset, trained)
        return trained, dataset.test
    model = interim_model(run, settings, dataset, kept, state or "best")
    print("\n".join(interim_lines(model.report)))
    return model, kept[1]


def publish(
    folder: Path,
    export_folder: Path | None,
    publication: Publication,
    state: Keep | None = None,
    weights: StoredWeights | None = None,
) -> None:
    """Put a run into a model repository; what is not exported yet, or no longer so, is first."""
    run = Run(folder)
    target = publication.target(run.settings().data)
    if export_folder is not None and (state is not None or weights is not None):
        message = (
            "an export has its state and its weights already: name an export, or how to export"
        )
        raise ConfigError(message)
    out = export_folder or folder / EXPORT_FOLDER
    is_asked = state is not None or weights is not None
    if export_folder is None and (is_asked or run.changed_since(out / MANIFEST_FILE)):
        target.check()
        export(folder, out, state, weights or "float32")
    _publish(out, target)


def anytime(
    version: VersionId, root: str, source: str, prefix_layers: int | None, *, activate: bool
) -> None:
    """Publish a version anew that may stop after a prefix of its layers."""
    from training.publish.anytime import cut_in_two, cut_lines  # noqa: PLC0415  loads onnx

    repository = ModelRepository(root)
    stored = repository.read(version)
    cut = cut_in_two(stored, validation_images(stored.manifest, source), prefix_layers)
    print("\n".join(cut_lines(cut)))
    manifest = made_from(repository, version, cut.manifest)
    published = repository.publish(version.name, stored.model, manifest, cut.graphs)
    _published_anew(repository, published, activate=activate)


def calibrate(version: VersionId, root: str, source: str, *, activate: bool) -> None:
    """Publish a version anew that can give sets of classes."""
    repository = ModelRepository(root)
    stored = repository.read(version)
    manifest, lines = calibrated(stored, validation_images(stored.manifest, source))
    print("\n".join(lines))
    manifest = made_from(repository, version, manifest)
    published = repository.publish(version.name, stored.model, manifest, stored.graphs)
    _published_anew(repository, published, activate=activate)


def holdout(version: VersionId, root: str, source: str, images: int, *, activate: bool) -> None:
    """Publish a version anew that keeps some of its validation images.

    Raises:
        ConfigError: no image is to be kept.
    """
    if images < 1:
        message = f"{images} images hold nothing against anything; keep at least one"
        raise ConfigError(message)
    repository = ModelRepository(root)
    stored = repository.read(version)
    kept = with_holdout(stored, validation_images(stored.manifest, source), images)
    found = kept.manifest.holdout
    assert found is not None  # noqa: S101  that is what it was given
    print(
        f"{found.correct} of {found.n} validation images are right ({found.correct / found.n:.2%})"
    )
    manifest = made_from(repository, version, kept.manifest)
    published = repository.publish(version.name, kept.model, manifest, kept.graphs)
    _published_anew(repository, published, activate=activate)


def _published_anew(repository: ModelRepository, version: VersionId, *, activate: bool) -> None:
    """Activate a version that was made of another one, if asked to, and say where it answers."""
    if activate:
        mended = repository.activate(version)
        if mended is not None:
            print(f"warning: {mended}", file=sys.stderr)
    is_default = repository.active() == version
    _print_published(Published(version, activate, is_default), repository.place)


def _publish(export_folder: Path, target: Target) -> None:
    _print_published(publish_export(export_folder, target), str(target.root))


def _print_published(published: Published, root: str) -> None:
    version = published.version
    if published.is_active:
        print(f"published {version} to {root}, active")
        if not published.is_default:
            print(
                f"it answers at /models/{version.name}/predict; for /predict: goodserve models "
                f"default {version.name} --repository {root}"
            )
        return
    if published.objection is not None:
        print(f"warning: {version} is not active: {published.objection}", file=sys.stderr)
    hint = f"goodserve models activate {version} --repository {root}"
    print(f"published {version} to {root}; to serve it: {hint}")


def _refuse_other_data(dataset: Dataset, trained: TrainedModel) -> None:
    """Make sure that the test images are those that the run kept for the test."""
    if dataset.fingerprint() != trained.report.data_sha256:
        message = (
            "the data have changed since the run, so images it learned from could count as test "
            "images; bring back the old data, or name a test set with evaluate --data"
        )
        raise DataError(message)
