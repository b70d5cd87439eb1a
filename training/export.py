"""From a trained run to one ONNX file and its manifest, refused unless both say the same."""

import hashlib
import logging
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import onnx
import torch
from torch import Tensor

from model.artifact.checks import check_answers
from model.artifact.image import Pixels
from model.artifact.manifest import Accuracy, Golden, Layer, Manifest
from model.artifact.outputs import (
    BATCH_AXIS,
    CONTRIBUTIONS,
    INPUT_NAME,
    PROBABILITIES,
    SCORES,
    ContractError,
    Session,
    input_spec,
    output_specs,
)
from model.network.stack import ForwardForwardNetwork
from training.checkpoint import TrainedModel
from training.config import FitSettings
from training.errors import ExportError
from training.golden import draw_golden_inputs

OPSET = 20
PARITY_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """An ONNX file and its manifest, found to agree.

    Attributes:
        model: the bytes of `model.onnx`.
        manifest: what is known about it.
        worst: the largest difference between torch and onnxruntime over all outputs.
        n: the real images on which they were compared.
    """

    model: bytes
    manifest: Manifest
    worst: float
    n: int


def export(trained: TrainedModel, settings: FitSettings, images: Tensor) -> Exported:
    """Export a trained network and compare it with torch on real images.

    Args:
        trained: calibrated, in evaluation mode.
        settings: of its run, for the manifest.
        images: `(N, H, W, 3)`, uint8, real ones.

    Raises:
        ExportError: an output differs by over 1e-4, an image gets another class, or
            contributions do not sum to scores.
    """
    network = trained.network
    model = to_onnx(network)
    session = onnx_session(model)
    worst = _compare(network, session, images.numpy())
    manifest = _manifest(trained, settings, model, session)
    try:
        check_answers(manifest, session)
    except ContractError as error:
        raise ExportError(str(error)) from error
    return Exported(model, manifest, worst, len(images))


def to_onnx(network: ForwardForwardNetwork) -> bytes:
    """Write the network in evaluation mode as one ONNX file with a dynamic batch."""
    spec = network.spec
    example = torch.zeros((2, spec.image_height, spec.image_width, 3), dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision; we do not
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not ours to mend
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[INPUT_NAME],
            output_names=[SCORES, PROBABILITIES, CONTRIBUTIONS],
            dynamic_shapes=({0: torch.export.Dim(BATCH_AXIS)},),
            verbose=False,
        )
    if program is None:
        message = "torch exported nothing"
        raise ExportError(message)
    return _without_metadata(program.model_proto)


def _without_metadata(model: onnx.ModelProto) -> bytes:
    """Take away what the exporter notes for debugging: stack traces, with paths of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
    content: bytes = model.SerializeToString()
    return content


def onnx_session(model: bytes) -> Session:
    """Open an ONNX file on the CPU with the runtime that serves it.

    Raises:
        ExportError: onnxruntime is not installed.
    """
    try:
        from model.artifact.runtime import OnnxSession  # noqa: PLC0415  onnxruntime is an extra
    except ImportError as error:
        message = "exporting needs onnxruntime: install goodserve[cpu] or goodserve[gpu]"
        raise ExportError(message) from error
    return OnnxSession(model, "cpu")


def _compare(network: ForwardForwardNetwork, session: Session, images: Pixels) -> float:
    """Hold every output against torch's; return the largest difference."""
    with torch.no_grad():
        expected = network(torch.from_numpy(images))
    found = session(images)
    worst = 0.0
    for name, theirs in zip(expected._fields, expected, strict=True):
        difference = float(np.abs(theirs.numpy() - getattr(found, name)).max())
        if not difference <= PARITY_TOLERANCE:
            message = (
                f"the exported {name} differ from torch's by {difference:.3g}, the limit is "
                f"{PARITY_TOLERANCE}; nothing was written"
            )
            raise ExportError(message)
        worst = max(worst, difference)
    if (expected.scores.numpy().argmax(1) != found.scores.argmax(1)).any():
        message = "the exported model classifies an image otherwise; nothing was written"
        raise ExportError(message)
    return worst


def _manifest(
    trained: TrainedModel, settings: FitSettings, model: bytes, session: Session
) -> Manifest:
    spec, results = trained.network.spec, trained.results
    height, width = spec.image_height, spec.image_width
    pictures = draw_golden_inputs(height, width)
    scores = session(pictures).scores
    layers = _layers(trained)
    test = results["test"]
    return Manifest(
        created=datetime.now(UTC).replace(microsecond=0),
        labels=trained.labels,
        image_height=height,
        image_width=width,
        input=input_spec(height, width),
        outputs=output_specs(len(layers), spec.num_classes),
        layers=layers,
        temperature=results["validation"]["temperature"],
        accuracy=Accuracy(value=test["accuracy"], n=test["n"], per_class=test["per_class"]),
        training=settings.model_dump(mode="json") | {"data": settings.data.partition(":")[0]},
        software={name: version(name) for name in ("goodserve", "torch", "onnx", "onnxscript")},
        data_sha256=trained.fingerprint,
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_size_bytes=len(model),
        golden=tuple(Golden.of(p, s) for p, s in zip(pictures, scores, strict=True)),
    )


def _layers(trained: TrainedModel) -> tuple[Layer, ...]:
    validation, test = trained.results["validation"], trained.results["test"]
    columns = zip(
        trained.network.spec.blocks(),
        trained.network.get_buffer("layer_weights").tolist(),
        validation["loss_per_layer"],
        test["per_layer"],
        strict=True,
    )
    return tuple(
        Layer(
            name=block.name,
            channels=block.channels,
            weight=min(1.0, weight),
            validation_loss=loss,
            test_accuracy=accuracy,
        )
        for block, weight, loss, accuracy in columns
    )
