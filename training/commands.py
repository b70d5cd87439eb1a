"""What each command of `goodserve-train` does."""

import argparse
import re
from pathlib import Path
from typing import Any

import torch

from model.contract import Manifest
from model.files import write_atomically
from model.repository import MANIFEST_FILE, MODEL_FILE, ModelRepository, RepositoryError, VersionId
from training.checkpoint import Run, TrainedModel
from training.config import FitSettings, load_settings
from training.data import load_dataset
from training.errors import CheckpointError, ConfigError, DataError
from training.evaluate import accuracy_report, read_goodness
from training.loop import resume_run, start_run
from training.stop import Interrupted

__all__ = ["Interrupted", "RepositoryError", "evaluate", "export", "fit", "publish"]

_COMPARED_IMAGES = 256


def fit(options: argparse.Namespace) -> None:
    """Train; with --publish, export and publish what came of it."""
    run = Run(options.run)
    if options.resume:
        _refuse_changes(run.settings(), options)
        resume_run(run, quiet=options.quiet)
    else:
        start_run(_new_settings(options), run, quiet=options.quiet)
    if options.publish is not None:
        _export(run, options.run / "export")
        _publish(run, options.publish, options)


def evaluate(options: argparse.Namespace) -> None:
    """Print a trained run's accuracy on the test split, per class and per layer."""
    run = Run(options.run)
    trained, settings = run.load_model(), run.settings()
    if options.data is not None:
        settings = settings.model_copy(update={"data": options.data})
    dataset = load_dataset(settings)
    if dataset.labels != trained.labels:
        message = f"{settings.data} has other classes than the run was trained on"
        raise DataError(message)
    test = dataset.test
    goodness = read_goodness(trained.network, test, torch.device("cpu"), "float32")
    _print_report(trained, accuracy_report(trained.network, goodness, test.labels))


def export(options: argparse.Namespace) -> None:
    """Write `model.onnx` and `manifest.json`, checked against torch."""
    _export(Run(options.run), options.out or options.run / "export")


def publish(options: argparse.Namespace) -> None:
    """Put an exported run into a model repository."""
    _publish(Run(options.run), options.repository, options)


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    """Gather the settings that were given as flags."""
    given = {name: getattr(options, name) for name in FitSettings.model_fields}
    return {name: value for name, value in given.items() if value is not None}


def _new_settings(options: argparse.Namespace) -> FitSettings:
    flags = _flags(options)
    if "data" not in flags and options.config is None:
        message = "name the data: goodserve-train fit KIND:PATH --run FOLDER"
        raise ConfigError(message)
    return load_settings(flags, options.config)


def _refuse_changes(stored: FitSettings, options: argparse.Namespace) -> None:
    """Make sure that a resumed run is given no setting that it was not started with."""
    if options.config is not None:
        message = "--resume takes the run's own settings; leave --config away"
        raise CheckpointError(message)
    given = load_settings({**stored.model_dump(), **_flags(options)})
    names = FitSettings.model_fields
    changed = [name for name in names if getattr(given, name) != getattr(stored, name)]
    if changed:
        message = f"a resumed run keeps its settings, but {', '.join(changed)} differ"
        raise CheckpointError(message)


def _export(run: Run, folder: Path) -> None:
    from training.export import export as export_model  # noqa: PLC0415  loads onnxruntime

    settings = run.settings()
    images = load_dataset(settings).test.images[:_COMPARED_IMAGES]
    exported = export_model(run.load_model(), settings, images)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / MODEL_FILE, exported.model)
    content = exported.manifest.model_dump_json(indent=1).encode() + b"\n"
    write_atomically(folder / MANIFEST_FILE, content)
    print(
        f"exported {folder / MODEL_FILE} ({len(exported.model):,} bytes); onnxruntime agrees "
        f"with torch to {exported.worst:.1e} on {exported.n} test images"
    )


def _publish(run: Run, root: Path, options: argparse.Namespace) -> None:
    folder = run.folder / "export"
    try:
        model = (folder / MODEL_FILE).read_bytes()
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValueError) as error:
        message = f"{folder} holds no export to publish: {error}; run goodserve-train export first"
        raise CheckpointError(message) from error
    repository = ModelRepository(root)
    published = repository.publish(options.name or _default_name(run.settings()), model, manifest)
    if options.activate:
        repository.activate(published)
    print(f"published {published} to {root}{_state(published, options)}")


def _state(published: VersionId, options: argparse.Namespace) -> str:
    if options.activate:
        return ", active"
    return f"; serve it with: goodserve models activate {published} --repository ..."


def _default_name(settings: FitSettings) -> str:
    """Name a model after its data: the kind, or for a folder the folder."""
    kind, _, path = settings.data.partition(":")
    name = Path(path).resolve().name if kind == "folder" else kind
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._") or "model"


def _print_report(trained: TrainedModel, report: dict[str, Any]) -> None:
    print(f"accuracy {report['accuracy']:.2%} (n = {report['n']}), loss {report['loss']:.4f}")
    weights = trained.network.get_buffer("layer_weights").tolist()
    for block, accuracy, weight in zip(
        trained.network.spec.blocks(), report["per_layer"], weights, strict=True
    ):
        print(f"  layer {block.name:<12} {accuracy:7.2%}  contribution {weight:.3f}")
    for label, accuracy in zip(trained.labels, report["per_class"], strict=True):
        print(f"  class {label:<12} " + ("no images" if accuracy is None else f"{accuracy:7.2%}"))
