"""The layers of a trained run or of a published version, without their readouts."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from model.artifact.repository import MODEL_FILE as GRAPH_FILE
from training.errors import ConfigError
from training.results.stored import load_tensors
from training.settings.initial import MODEL_FILE

_BATCH_NORM_EPSILON = 1e-5
# What makes a layer's activity; how it is read belongs to the classes that it was read for.
PARTS = ("conv.", "norm.", "inner_conv.", "inner_norm.", "input_norm.")


@dataclass(frozen=True)
class TrainedLayers:
    """What the layers of a network make of an image.

    Attributes:
        layers: of each, first to last, the tensors of its convolution and norms, by their names
            in a block.
        pixel_mean: `(3,)`, in units of 0 to 1.
        pixel_deviation: `(3,)`.
        is_folded: whether the norms' statistics are gone, as in a graph, where each norm is part
            of its convolution.
    """

    layers: tuple[dict[str, Tensor], ...]
    pixel_mean: Tensor
    pixel_deviation: Tensor
    is_folded: bool = False


def read_layers(folder: Path) -> TrainedLayers:
    """Read the layers of a trained run, or of a version that was published or exported.

    Raises:
        ConfigError: the folder holds neither, or a graph of an older release.
        CheckpointError: the run's file is damaged.
    """
    if (folder / MODEL_FILE).exists():
        return _layers(load_tensors(folder / MODEL_FILE, "name another run")["network"])
    try:
        return replace(_layers(_unfolded(_constants(folder / GRAPH_FILE))), is_folded=True)
    except OSError as error:
        message = f"cannot start from {folder}: {error.strerror}"
        raise ConfigError(message) from error


def _layers(tensors: dict[str, Tensor]) -> TrainedLayers:
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        root, _, rest = name.partition(".")
        number, _, part = rest.partition(".")
        if root == "blocks" and part.startswith(PARTS):
            found.setdefault(int(number), {})[part] = tensor
    try:
        layers = tuple(found[number] for number in range(len(found)))
        return TrainedLayers(layers, tensors["pixel_mean"], tensors["pixel_deviation"])
    except KeyError as error:
        message = f"the layers to start from lack {error}; export that model anew"
        raise ConfigError(message) from error


def _constants(path: Path) -> dict[str, Tensor]:
    """Read a graph's constants by their names in the network."""
    import onnx  # noqa: PLC0415  a second that only those wait who start from a version
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from onnx import numpy_helper  # noqa: PLC0415

    try:
        graph = onnx.load_model_from_string(path.read_bytes()).graph
    except DecodeError as error:
        message = f"{path} is no ONNX file"
        raise ConfigError(message) from error
    return {
        tensor.name.removeprefix("network."): _computed_with(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
    }


def _computed_with(stored: NDArray[Any]) -> Tensor:
    """Give a constant as a graph computes with it: what is stored as float16 is cast."""
    constant = torch.from_numpy(stored)
    return constant.float() if constant.dtype is torch.float16 else constant


def _unfolded(constants: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write each bias that a norm was folded into as a norm that adds it and does nothing else."""
    tensors = dict(constants)
    for name, bias in constants.items():
        block, found, rest = name.partition("conv.weight_bias")
        if found and not rest:
            tensors |= {
                f"{block}norm.weight": torch.ones_like(bias),
                f"{block}norm.bias": bias,
                f"{block}norm.running_mean": torch.zeros_like(bias),
                f"{block}norm.running_var": torch.full_like(bias, 1 - _BATCH_NORM_EPSILON),
            }
    return {n: t for n, t in tensors.items() if not n.endswith("conv.weight_bias")}
