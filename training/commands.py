"""What each command of `goodserve-train` does."""

import argparse
import os
import re
from pathlib import Path
from typing import Any

import torch

from model.artifact.files import write_atomically
from model.artifact.manifest import Manifest
from model.artifact.repository import MANIFEST_FILE, MODEL_FILE, ModelRepository
from model.artifact.version import RepositoryError, VersionId
from model.network.goodness import assignment_entropy
from training.checkpoint import Run, TrainedModel
from training.config import FitSettings, load_settings, read_config
from training.data import Dataset, load_dataset
from training.errors import CheckpointError, ConfigError, DataError
from training.evaluate import accuracy_report, read_goodness
from training.loop import resume_run, start_run
from training.stop import Interrupted

__all__ = ["Interrupted", "RepositoryError", "evaluate", "export", "fit", "publish"]

_COMPARED_IMAGES = 256


def fit(options: argparse.Namespace) -> None:
    """Train; with --publish, export and publish what came of it."""
    run, name = Run(options.run), ""
    settings = run.settings() if options.resume else _new_settings(options)
    if options.publish is not None:
        name = _name(options, settings)
        _check_target(options.publish, name)
    if options.resume:
        _refuse_changes(settings, options)
        if run.is_finished():
            print(f"{options.run} is trained already")
        resume_run(run, quiet=options.quiet)
    else:
        start_run(settings, run, quiet=options.quiet)
    if options.publish is not None:
        _export(run, options.run / "export")
        _publish(options, options.publish, options.run / "export", name)


def evaluate(options: argparse.Namespace) -> None:
    """Print a trained run's accuracy on the test split, per class and per layer."""
    run = Run(options.run)
    trained, settings = run.load_model(), run.settings()
    if options.data is not None:
        settings = settings.model_copy(update={"data": options.data})
    dataset = load_dataset(settings)
    if options.data is None:
        _refuse_other_data(dataset, trained)
    if dataset.labels != trained.labels:
        message = f"{settings.data} has other classes than the run was trained on"
        raise DataError(message)
    test = dataset.test
    goodness = read_goodness(trained.network, test, torch.device("cpu"))
    _print_report(trained, accuracy_report(trained.network, goodness, test.labels))


def export(options: argparse.Namespace) -> None:
    """Write `model.onnx` and `manifest.json`, checked against torch."""
    _export(Run(options.run), options.out or options.run / "export")


def publish(options: argparse.Namespace) -> None:
    """Put an exported run into a model repository."""
    name = _name(options, Run(options.run).settings())
    _publish(options, options.repository, options.export or options.run / "export", name)


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    """Gather the settings that were given as flags."""
    given = {name: getattr(options, name) for name in FitSettings.model_fields}
    return {name: value for name, value in given.items() if value is not None}


def _new_settings(options: argparse.Namespace) -> FitSettings:
    flags = _flags(options)
    if "data" not in flags and options.config is None:
        message = "name the data: goodserve-train fit KIND:PATH --run FOLDER"
        raise ConfigError(message)
    settings = load_settings(flags, options.config)
    kind, separator, path = settings.data.partition(":")
    # The run may be resumed or exported from another folder than it is started in.
    absolute = f"{kind}:{Path(path).expanduser().resolve()}" if path else f"{kind}{separator}"
    return settings.model_copy(update={"data": absolute})


def _refuse_changes(stored: FitSettings, options: argparse.Namespace) -> None:
    """Make sure that a resumed run is given no setting that it was not started with."""
    config = read_config(options.config) if options.config is not None else {}
    given = {name: value for name, value in (config | _flags(options)).items() if value != "auto"}
    if "data" in given:
        given["data"] = _new_settings(options).data
    asked = load_settings(stored.model_dump() | given)
    names = FitSettings.model_fields
    changed = [name for name in names if getattr(asked, name) != getattr(stored, name)]
    if changed:
        message = f"a resumed run keeps its settings, but {', '.join(changed)} differ"
        raise CheckpointError(message)


def _export(run: Run, folder: Path) -> None:
    from training.export import export as export_model  # noqa: PLC0415  loads onnxruntime

    settings = run.settings()
    trained, dataset = run.load_model(), load_dataset(settings)
    _refuse_other_data(dataset, trained)
    exported = export_model(trained, settings, dataset.test.images[:_COMPARED_IMAGES])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / MODEL_FILE, exported.model)
    content = exported.manifest.model_dump_json(indent=1).encode() + b"\n"
    write_atomically(folder / MANIFEST_FILE, content)
    print(
        f"exported {folder / MODEL_FILE} ({len(exported.model):,} bytes); onnxruntime agrees "
        f"with torch to {exported.worst:.1e} on {exported.n} test images"
    )


def _publish(options: argparse.Namespace, root: Path, folder: Path, name: str) -> None:
    try:
        model = (folder / MODEL_FILE).read_bytes()
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        message = f"{folder} holds no export to publish: {reason}; run goodserve-train export first"
        raise CheckpointError(message) from error
    repository = ModelRepository(root)
    published = repository.publish(name, model, manifest)
    if options.activate:
        repository.activate(published)
        print(f"published {published} to {root}, active")
    else:
        hint = f"goodserve models activate {published} --repository {root}"
        print(f"published {published} to {root}; to serve it: {hint}")


def _check_target(root: Path, name: str) -> None:
    """Find out before the training, not after it, whether its result can be published."""
    VersionId(name, "1")
    root.mkdir(parents=True, exist_ok=True)
    if not os.access(root, os.W_OK):
        message = f"{root} may not be written, so nothing could be published there"
        raise RepositoryError(message)


def _refuse_other_data(dataset: Dataset, trained: TrainedModel) -> None:
    """Make sure that the test images are those that the run kept for the test."""
    if dataset.fingerprint() != trained.fingerprint:
        message = (
            "the data have changed since the run, so images it learned from could count as test "
            "images; bring back the old data, or name a test set with evaluate --data"
        )
        raise DataError(message)


def _name(options: argparse.Namespace, settings: FitSettings) -> str:
    """Name a model as asked, or after its data: the kind, or for a folder the folder."""
    if options.name is not None:
        return str(options.name)
    kind, _, path = settings.data.partition(":")
    name = Path(path).resolve().name if kind == "folder" else kind
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._")[:63] or "model"


def _print_report(trained: TrainedModel, report: dict[str, Any]) -> None:
    print(f"accuracy {report['accuracy']:.2%} (n = {report['n']}), loss {report['loss']:.4f}")
    weights = trained.network.get_buffer("layer_weights").tolist()
    for block, accuracy, weight in zip(
        trained.network.layers(), report["per_layer"], weights, strict=True
    ):
        entropy = assignment_entropy(block.assignment()).item()
        told = f"{accuracy:7.2%}  contribution {weight:.3f}  assignment entropy {entropy:.2f}"
        print(f"  layer {block.spec.name:<12} {told}")
    for label, accuracy in zip(trained.labels, report["per_class"], strict=True):
        print(f"  class {label:<12} " + ("no images" if accuracy is None else f"{accuracy:7.2%}"))
