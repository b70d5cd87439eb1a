"""In what two versions differ, read from their manifests."""

from collections.abc import Iterator, Mapping
from typing import Any

from model.artifact.manifest import Manifest

_ABSENT = "-"


def differences(old: Manifest, new: Manifest) -> list[str]:
    """Write a line for each thing that differs: `what: old -> new`; none for equal manifests."""
    before, after = dict(_facts(old)), dict(_facts(new))
    lines = [
        f"{what}: {_shown(before.get(what))} -> {_shown(after.get(what))}"
        for what in dict.fromkeys([*before, *after])
        if before.get(what) != after.get(what)
    ]
    return [*_labels(old.labels, new.labels), *lines]


def _facts(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    yield "created", manifest.created.isoformat()
    yield "image size", f"{manifest.image_height} x {manifest.image_width}"
    yield "layers", ", ".join(f"{each.name} ({each.channels})" for each in manifest.layers)
    if manifest.accuracy is not None:
        yield "test accuracy", f"{manifest.accuracy.value:.2%} (n = {manifest.accuracy.n})"
        for label, value in zip(manifest.labels, manifest.accuracy.per_class, strict=False):
            yield f"test accuracy of {label}", None if value is None else f"{value:.2%}"
    for layer in manifest.layers:
        yield f"layer weight of {layer.name}", f"{layer.weight:.3f}"
        yield f"validation loss of {layer.name}", f"{layer.validation_loss:.4f}"
    yield "temperature", f"{manifest.temperature:.4f}"
    yield "may stop early", manifest.anytime is not None
    yield "gives evidence", manifest.evidence is not None
    yield "tells familiarity", manifest.familiarity is not None
    yield "gives sets", manifest.conformal is not None
    yield from _flat("setting", manifest.training)
    yield from _flat("software", manifest.software)
    yield "data", manifest.data_sha256[:12]
    yield "size in bytes", f"{manifest.model_size_bytes:,}"
    for file, digest in {"model.onnx": manifest.model_sha256, **manifest.graphs}.items():
        yield f"sha256 of {file}", digest[:12]


def _flat(what: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{what} {name}", value)
        else:
            yield f"{what} {name}", value


def _labels(old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    gone = [f"classes: without {label}" for label in old if label not in new]
    come = [f"classes: with {label}" for label in new if label not in old]
    if old != new and not gone and not come:
        return ["classes: in another order"]
    return gone + come


def _shown(value: Any) -> str:  # noqa: ANN401  of any setting
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _ABSENT if value is None else str(value)
