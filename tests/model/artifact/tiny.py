"""Whole models of a few nodes: an ONNX graph and its manifest, written without training."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model.artifact.anytime import (
    PASSED,
    PREFIX_FILE,
    SUFFIX_FILE,
    Anytime,
    Threshold,
    contributions_spec,
)
from model.artifact.manifest import Accuracy, Golden, Layer, Manifest
from model.artifact.outputs import TensorSpec, input_spec, output_specs
from model.artifact.runtime import OnnxSession

LABELS = ("blue", "green", "red")
SIZE = 16
PASSED_SPEC = TensorSpec(name=PASSED, dtype="float32", shape=("N", 3))
NUM_LAYERS, NUM_CLASSES = 2, len(LABELS)


@dataclass(frozen=True)
class TinyModel:
    """The bytes of an ONNX file and what its manifest says."""

    model: bytes
    manifest: Manifest


def tiny_model(seed: int) -> TinyModel:
    """Write a model whose scores are its image's mean colour, times weights drawn from a seed."""
    model = _graph(seed).SerializeToString()
    session = OnnxSession(model, "cpu")
    pictures = np.random.default_rng(seed).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    golden = [Golden.of(*pair) for pair in zip(pictures, session(pictures).scores, strict=True)]
    manifest = Manifest(
        created=datetime(2026, 1, 1, tzinfo=UTC),
        labels=LABELS,
        image_height=SIZE,
        image_width=SIZE,
        input=input_spec(SIZE, SIZE),
        outputs=output_specs(NUM_LAYERS, NUM_CLASSES),
        layers=tuple(_layer(name) for name in ("stem", "block2")),
        temperature=1,
        accuracy=Accuracy(value=0.5, n=4, per_class=(0.5, 0.5, None)),
        training={"seed": seed},
        software={"onnx": onnx.__version__},
        data_sha256="0" * 64,
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_size_bytes=len(model),
        golden=tuple(golden),
    )
    return TinyModel(model, manifest)


@dataclass(frozen=True)
class TinyStages:
    """A tiny model cut after its first layer: its manifest says so, and names these graphs."""

    manifest: Manifest
    graphs: dict[str, bytes]


def tiny_stages(seed: int) -> TinyStages:
    """Cut the model of that seed in two; what it passes on is the mean colour."""
    prefix = _stage(seed, slice(0, 1), from_images=True).SerializeToString()
    suffix = _stage(seed, slice(1, 2), from_images=False).SerializeToString()
    anytime = Anytime(
        prefix_layers=1,
        passed=PASSED_SPEC,
        prefix_sha256=hashlib.sha256(prefix).hexdigest(),
        suffix_sha256=hashlib.sha256(suffix).hexdigest(),
        temperature=1,
        thresholds=(Threshold(confidence=0.9, probability=0.5),),
    )
    known = tiny_model(seed).manifest.model_dump()
    manifest = Manifest.model_validate({**known, "anytime": anytime})
    return TinyStages(manifest, {PREFIX_FILE: prefix, SUFFIX_FILE: suffix})


def _stage(seed: int, layers: slice, *, from_images: bool) -> onnx.ModelProto:
    """Compute the contributions of some layers, from images or from the mean colour."""
    whole = _graph(seed)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}
    constants["weights"] = constants["weights"][:, layers]
    passed = helper.make_tensor_value_info(PASSED, TensorProto.FLOAT, ["N", 3])
    given = contributions_spec(constants["weights"].shape[1], NUM_CLASSES)
    outputs = [helper.make_tensor_value_info(given.name, TensorProto.FLOAT, given.shape)]
    if from_images:
        between = helper.make_node("Identity", ["colour"], [PASSED])
        nodes, inputs = [*whole.graph.node[:4], between], list(whole.graph.input)
        outputs.append(passed)
    else:
        between = helper.make_node("Identity", [PASSED], ["colour"])
        nodes, inputs = [between, *whole.graph.node[2:4]], [passed]
    used = {name for node in nodes for name in node.input}
    tensors = [numpy_helper.from_array(a, name) for name, a in constants.items() if name in used]
    graph = helper.make_graph(nodes, "stage", inputs, outputs, tensors)
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])


def _layer(name: str) -> Layer:
    return Layer(name=name, channels=3, weight=0.5, validation_loss=1, test_accuracy=0.5)


def _graph(seed: int) -> onnx.ModelProto:
    """Compute contributions (N, L, K) from the mean colour (N, 3), and from them the rest."""
    weights = np.random.default_rng(seed).normal(0, 0.05, (1, NUM_LAYERS, NUM_CLASSES))
    constants = {
        "weights": weights.astype(np.float32),
        "pixel_axes": np.array([1, 2]),
        "layer_axis": np.array([1]),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["wide", "pixel_axes"], ["colour"], keepdims=0),
        helper.make_node("Unsqueeze", ["colour", "layer_axis"], ["per_layer"]),
        helper.make_node("Mul", ["per_layer", "weights"], ["contributions"]),
        helper.make_node("ReduceSum", ["contributions", "layer_axis"], ["scores"], keepdims=0),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, spec.shape)
            for spec in output_specs(NUM_LAYERS, NUM_CLASSES)
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    # Versions that every onnxruntime we support reads; the onnx package's newest may be newer.
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])
