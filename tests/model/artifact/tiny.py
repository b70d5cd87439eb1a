"""Whole models of a few nodes: an ONNX graph and its manifest, written without training."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model.artifact.manifest import Accuracy, Golden, Layer, Manifest
from model.artifact.outputs import input_spec, output_specs
from model.artifact.runtime import OnnxSession

LABELS = ("blue", "green", "red")
SIZE = 16
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
