"""The model card of a version: what its manifest says, as a page in Markdown.

After Mitchell et al., Model Cards for Model Reporting (FAT* 2019), with the metadata that the
Hugging Face Hub reads.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from model.artifact.manifest import Manifest
from model.artifact.version import VersionId

# What a run notes beside its settings, and where its data lay.
_NO_FLAGS = {"data", "cache", "initial", "preset", "kept_epoch", "weights"}


def model_card(version: VersionId, manifest: Manifest, content: bytes) -> str:
    """Write a model card.

    Args:
        version: its name and number.
        manifest: what it says.
        content: the manifest's bytes, whose hash identifies the version.
    """
    sections = (
        _metadata(version, manifest),
        [f"# {version}", "", *_summary(manifest)],
        ["## Intended use", "", *_use(manifest)],
        ["## Data", "", *_data(manifest)],
        ["## Accuracy", "", *_accuracy(manifest)],
        ["## Calibration", "", *_calibration(manifest)],
        ["## Limits", "", *_limits(manifest)],
        ["## Serving and explaining", "", *_serving(version, manifest)],
        ["## Reproducing", "", *_reproducing(version, manifest)],
        ["## Identity", "", *_identity(manifest, content)],
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _metadata(version: VersionId, manifest: Manifest) -> list[str]:
    lines = [
        "---",
        "library_name: goodserve",
        "pipeline_tag: image-classification",
        "tags: [forward-forward, image-classification, onnx]",
        "model-index:",
        f"- name: {json.dumps(str(version))}",
        "  results:",
    ]
    if manifest.accuracy is None:
        lines[-1] = "  results: []"
        return [*lines, "---"]
    kind = json.dumps(str(manifest.training.get("data", "unknown")))
    return [
        *lines,
        "  - task: {type: image-classification}",
        f"    dataset: {{name: {kind}, type: {kind}, split: test}}",
        f"    metrics: [{{type: accuracy, value: {manifest.accuracy.value:.4f}}}]",
        "---",
    ]


def _summary(manifest: Manifest) -> list[str]:
    layers = ", ".join(f"{each.name} ({each.channels} channels)" for each in manifest.layers)
    said = (
        f"An image classifier with {len(manifest.labels)} classes, trained layer by layer without "
        "backpropagation (Forward-Forward learning) and exported as ONNX. It takes images of "
        f"{manifest.image_width} x {manifest.image_height} pixels; its layers are {layers}. "
        f"Exported on {manifest.created.date().isoformat()}."
    )
    return [said]


def _use(manifest: Manifest) -> list[str]:
    return [
        "Telling these classes apart in images like those it was trained on: "
        + ", ".join(manifest.labels)
        + ".",
        "",
        "It always answers with one of them, whatever an image shows.",
    ]


def _data(manifest: Manifest) -> list[str]:
    kind = manifest.training.get("data", "unknown")
    lines = [f"- kind: {kind}", f"- fingerprint: `{manifest.data_sha256}`"]
    fraction = manifest.training.get("validation_fraction")
    if fraction is not None:
        lines.append(f"- kept for validation: {fraction} of the training images")
    if manifest.parent is not None:
        lines.append(f"- made of {manifest.parent.version}, and so of its data, too")
    elif manifest.training.get("initial"):
        lines.append(f"- begun with the layers of {manifest.training['initial']}, and its data")
    return lines


def _accuracy(manifest: Manifest) -> list[str]:
    accuracy = manifest.accuracy
    if accuracy is None:
        return ["Not tested: the run had not finished when it was exported."]
    lines = [f"{accuracy.value:.2%} of {accuracy.n:,} test images, read once."]
    rows = [
        f"| {label} | {'-' if value is None else f'{value:.2%}'} |"
        for label, value in zip(manifest.labels, accuracy.per_class, strict=False)
    ]
    if rows:
        lines += ["", "| class | accuracy |", "|---|---|", *rows]
    lines += ["", "| layer | weight | validation loss | test accuracy alone |", "|---|---|---|---|"]
    for layer in manifest.layers:
        alone = "-" if layer.test_accuracy is None else f"{layer.test_accuracy:.2%}"
        lines.append(
            f"| {layer.name} | {layer.weight:.3f} | {layer.validation_loss:.4f} | {alone} |"
        )
    return lines


def _calibration(manifest: Manifest) -> list[str]:
    lines = [f"- temperature of the probabilities: {manifest.temperature:.4f}"]
    if manifest.conformal is not None:
        lines.append(f"- sets of classes by {manifest.conformal.n:,} validation images")
    else:
        lines.append("- sets of classes: not calibrated")
    lines.append(
        "- familiarity: "
        + ("not told" if manifest.familiarity is None else "by the validation images")
    )
    return lines


def _limits(manifest: Manifest) -> list[str]:
    lines = [
        "- Accuracy and calibration hold for images like the test and validation images.",
        "- A probability says nothing about images of other things: look at the familiarity.",
        "- Every image is stretched to the model's size.",
    ]
    if manifest.accuracy is not None:
        known = [
            (value, label)
            for label, value in zip(manifest.labels, manifest.accuracy.per_class, strict=False)
            if value is not None
        ]
        if known:
            worst = min(known)
            lines.append(f"- The least accurate class is {worst[1]}, at {worst[0]:.2%}.")
    return lines


def _serving(version: VersionId, manifest: Manifest) -> list[str]:
    path = f"http://127.0.0.1:8000/models/{version.name}/versions/{version.version}"
    lines = ["```sh", "goodserve serve --repository models"]
    lines.append(f"curl -F image=@picture.png '{path}/predict?explain=true'")
    if manifest.evidence is not None:
        lines.append(f"curl -F image=@picture.png {path}/explain")
    return [*lines, "```"]


def _reproducing(version: VersionId, manifest: Manifest) -> list[str]:
    training = manifest.training
    kind = training.get("data", "KIND")
    flags = " ".join(_flags(training))
    lines = ["```sh", f"goodserve-train fit {kind}:PATH --run runs/{version.name} {flags}", "```"]
    software = ", ".join(f"{name} {number}" for name, number in manifest.software.items())
    lines += ["", f"By {software}."]
    if manifest.parent is not None:
        lines.append(f"It was made of {manifest.parent.version}.")
    return lines


def _flags(training: dict[str, Any]) -> Iterator[str]:
    """Write the settings as flags of `goodserve-train fit`; what was left to it, stays so."""
    if training.get("initial"):
        yield f"--from {training['initial']}"
    for name, value in training.items():
        flag = name.replace("_", "-")
        if name in _NO_FLAGS or value is None:
            continue
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
            continue
        term, _, part = name.rpartition("_")
        if part in {"weight", "warmup"} and term != "regulariser":
            flag = f"term.{term}.{part}"
        yield f"--{flag} {','.join(map(str, value)) if isinstance(value, list) else value}"


def _identity(manifest: Manifest, content: bytes) -> list[str]:
    lines = [
        f"- manifest: `{hashlib.sha256(content).hexdigest()}`",
        f"- model.onnx: `{manifest.model_sha256}`, {manifest.model_size_bytes:,} bytes",
    ]
    lines += [f"- {file}: `{digest}`" for file, digest in manifest.graphs.items()]
    if manifest.code_sha256 is not None:
        lines.append(f"- code: `{manifest.code_sha256}`")
    if manifest.parent is not None:
        lines.append(f"- parent's manifest: `{manifest.parent.manifest_sha256}`")
    return lines
