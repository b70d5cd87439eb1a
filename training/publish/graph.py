"""From a network to the bytes of an ONNX file."""

import logging
import warnings

import onnx
import torch

from model.artifact.outputs import BATCH_AXIS, CONTRIBUTIONS, INPUT_NAME, PROBABILITIES, SCORES
from model.network.stack import ForwardForwardNetwork
from training.errors import ExportError

OPSET = 20


def to_onnx(network: ForwardForwardNetwork) -> bytes:
    """Write the network in evaluation mode as one ONNX file with a dynamic batch.

    Raises:
        ExportError: torch gave nothing.
    """
    spec = network.spec
    # Two images: an example of one would fix the batch axis at 1.
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
