"""From a network to the bytes of an ONNX file."""

import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from model.artifact.outputs import (
    BATCH_AXIS,
    CONTRIBUTIONS,
    FAMILIARITY,
    INPUT_NAME,
    PROBABILITIES,
    SCORES,
)
from model.network.familiarity import Familiarity, look
from model.network.stack import ForwardForwardNetwork
from training.errors import ExportError

OPSET = 20
# The square root of the least normal float32.
_TINY = 1e-19


class _WithFamiliarity(torch.nn.Module):
    """A network that also says how familiar an image is."""

    def __init__(self, network: ForwardForwardNetwork, familiarity: Familiarity) -> None:
        super().__init__()
        self.network, self.familiarity = network, familiarity

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        readouts = [reading.readout for reading in self.network.readings(images)]
        answer = self.network.combined(readouts)
        return *answer, self.familiarity(*look(self.network, readouts, answer.scores))


def to_onnx(network: ForwardForwardNetwork, familiarity: Familiarity | None = None) -> bytes:
    """Write the network in evaluation mode as one ONNX file with a dynamic batch.

    Args:
        network: gives scores, probabilities and contributions.
        familiarity: gives that output too, if there is one.

    Raises:
        ExportError: torch gave nothing.
    """
    spec = network.spec
    # Two images: an example of one would fix the batch axis at 1.
    example = torch.zeros((2, spec.image_height, spec.image_width, 3), dtype=torch.uint8)
    outputs = [SCORES, PROBABILITIES, CONTRIBUTIONS]
    axes: tuple[dict[int, torch.export.Dim], ...] = ({0: torch.export.Dim(BATCH_AXIS)},)
    if familiarity is None:
        return written(network, (example,), ([INPUT_NAME], outputs), axes)
    both = _WithFamiliarity(network, familiarity)
    return written(both, (example,), ([INPUT_NAME], [*outputs, FAMILIARITY]), axes)


def written(
    module: torch.nn.Module,
    example: tuple[Tensor, ...],
    names: tuple[list[str], list[str]],
    axes: tuple[dict[int, torch.export.Dim], ...],
) -> bytes:
    """Write a module in evaluation mode as one ONNX file.

    Args:
        module: whose forward pass is written.
        example: its inputs, of any size on the dynamic axes but 0 and 1.
        names: of the inputs and of the outputs.
        axes: the dynamic axes of each input.

    Raises:
        ExportError: torch gave nothing.
    """
    for noisy in ("torch.onnx", "onnx_ir"):  # one misses torchvision; we do not
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not ours to mend
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=axes,
            verbose=False,
        )
    if program is None:
        message = "torch exported nothing"
        raise ExportError(message)
    return _without_metadata(without_denormals(program.model_proto))


def without_denormals(model: onnx.ModelProto) -> onnx.ModelProto:
    """Set to 0 the float32 constants that are so small that products with them are denormal.

    The running statistics of channels that are never active decay to such numbers. Their
    activations then are denormal too, and the next convolution takes ten times as long (29.6 ms
    instead of 2.6 for 16 images, of the bundled model's last one); no score changes by a bit.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        is_tiny = (values != 0) & (np.abs(values) < _TINY)
        if is_tiny.any():
            flushed = np.where(is_tiny, np.float32(0), values)
            tensor.CopyFrom(numpy_helper.from_array(flushed, tensor.name))
    return model


def _without_metadata(model: onnx.ModelProto) -> bytes:
    """Take away what the exporter notes for debugging: stack traces, with paths of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
    content: bytes = model.SerializeToString()
    return content
