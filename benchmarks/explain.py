"""What explanations cost, for a model of many classes: the service's CPU time, with and without.

    python -m benchmarks.explain --classes 200 --clients 8

The model is the bundled one's network for so many classes, untrained: its answers mean nothing,
and take as long as a trained one's.
"""

import argparse
import hashlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks.crowd import Crowd, requests
from benchmarks.forms import Message
from benchmarks.pictures import KINDS, draw_all
from benchmarks.servers import ROOT, Running, ServerError, ours, running, stopping_on_sigterm
from benchmarks.usage import cpu_s
from model.artifact.manifest import Accuracy, Golden, Manifest
from model.artifact.outputs import output_specs
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.runtime import OnnxSession
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from training.publish.golden import draw_golden_inputs
from training.publish.graph import to_onnx
from training.settings.sections import NetworkSettings

_KIND = KINDS["png32"]
_WARM_UP_S = 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure plain and explained answers in turn, print them; return the exit status."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    asked = {
        "top 5": "/predict",
        "top 5, explained": "/predict?explain=true",
        "all classes": f"/predict?top_k={options.classes}",
        "all classes, explained": f"/predict?top_k={options.classes}&explain=true",
    }
    pictures = tuple(draw_all(_KIND))
    messages = {name: Message(path, _KIND.content_type, pictures) for name, path in asked.items()}
    with tempfile.TemporaryDirectory(prefix="goodserve-explain-") as folder:
        publish_untrained(Path(folder), options.classes)
        try:
            with running(ours("ours", ROOT, f"--repository {folder}"), messages["top 5"]) as server:
                found = uvloop.run(_measured(server, messages, options))
        except ServerError as error:
            print(f"benchmarks.explain: {error}", file=sys.stderr)
            return 2
    print("\n".join(lines(found)))
    return 0


def publish_untrained(root: Path, classes: int) -> None:
    """Publish a network of the bundled one's widths, for so many classes, and activate it."""
    bundled = ModelRepository(BUNDLED_REPOSITORY)
    known = bundled.read(bundled.versions()[-1]).manifest
    height, width = known.image_height, known.image_width
    kept = {n: v for n, v in known.training.items() if n in NetworkSettings.model_fields}
    settings = NetworkSettings.model_validate(kept)
    shape = NetworkSpec(
        image_height=height,
        image_width=width,
        num_classes=classes,
        widths=settings.widths,
        pool_before=settings.pooled_layers,
        regions=settings.regions,
        shortcut=True,
        assignment="learnable",
        convolutions=settings.convolutions,
    )
    model = to_onnx(ForwardForwardNetwork(shape, 0))
    drawn = draw_golden_inputs(height, width)
    scores = OnnxSession(model, "cpu")(drawn).scores
    changes = {
        "labels": tuple(f"class-{number:04d}" for number in range(classes)),
        "outputs": output_specs(len(known.layers), classes),
        "golden": tuple(Golden.of(*pair) for pair in zip(drawn, scores, strict=True)),
        "accuracy": Accuracy(value=1 / classes, n=1, per_class=(None,) * classes),
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "model_size_bytes": len(model),
        "evidence": None,
        "familiarity": None,
    }
    repository = ModelRepository(root)
    manifest = Manifest.model_validate(known.model_dump() | changes)
    repository.activate(repository.publish("untrained", model, manifest))


def lines(found: dict[str, list[float]]) -> list[str]:
    """Say the CPU milliseconds of each kind of request, and how explained ones compare."""
    medians = {name: statistics.median(values) for name, values in found.items()}
    said = [
        f"{name}: {medians[name]:.2f} CPU ms ({min(values):.2f} to {max(values):.2f})"
        for name, values in found.items()
    ]
    for name in ("top 5", "all classes"):
        ratio = medians[f"{name}, explained"] / medians[name]
        said.append(f"{name}: explained / plain {ratio:.2f}")
    return said


async def _measured(
    server: Running, messages: dict[str, Message], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Give the CPU milliseconds of an answer, by name and round."""
    found: dict[str, list[float]] = {name: [] for name in messages}
    for _ in range(options.rounds):
        for name, sent in messages.items():
            crowd = Crowd(server.port, requests(sent))
            await crowd.stay(options.clients, _WARM_UP_S)
            before = cpu_s(server.pid)
            span = await crowd.stay(options.clients, options.seconds)
            used = cpu_s(server.pid) - before
            await crowd.leave()
            found[name].append(1e3 * used / max(1, crowd.tally.between(*span).accepted.sum()))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explain",
        description="Measure what explanations cost for a model of many classes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--classes", type=int, default=200, help="of the untrained model that is served")
    add("--clients", type=int, default=8, help="connections kept busy")
    add("--rounds", type=int, default=5, help="how often each kind of request is measured")
    add("--seconds", type=float, default=1.5, help="of each measurement")
    return parser


if __name__ == "__main__":
    sys.exit(main())
