"""Weights stored in half the bytes: a graph computes with them as float32, as before."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model.artifact.image import Pixels
from model.artifact.outputs import Outputs, Session
from training.errors import ExportError

# The largest change of a probability that is taken for rounding; 0.003 was seen.
_ROUNDING = 0.02
# Of images whose two best classes are that close.
_CHANGED_SHARE = 0.01


def with_half_weights(model: bytes) -> bytes:
    """Store the convolutions' weights as float16, and cast them where they are used.

    The runtime casts them once, when it opens the file: an answer takes no longer.

    Args:
        model: the bytes of an ONNX file whose weights are float32.

    Returns:
        The bytes of another one. Each weight is rounded to 11 significant bits; below 6e-5 to a
        multiple of 6e-8.

    Raises:
        ExportError: a weight is beyond what float16 holds.
    """
    whole = onnx.load_model_from_string(model)
    nodes = whole.graph.node
    used = {node.input[1] for node in nodes if node.op_type == "Conv"}
    noted = {value.name: value.type.tensor_type for value in whole.graph.value_info}
    for tensor in whole.graph.initializer:
        if tensor.name not in used or tensor.data_type != TensorProto.FLOAT:
            continue
        weights = numpy_helper.to_array(tensor)
        if not np.abs(weights).max() <= np.finfo(np.float16).max:
            message = f"{tensor.name} has weights beyond 65504: store them as float32"
            raise ExportError(message)
        # The name stays the stored tensor's: by it a training finds the layers to start from.
        cast = f"{tensor.name}_float32"
        for node in nodes:
            for place, name in enumerate(node.input):
                if name == tensor.name:
                    node.input[place] = cast
        if tensor.name in noted:
            noted[tensor.name].elem_type = TensorProto.FLOAT16
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), tensor.name))
        nodes.insert(0, helper.make_node("Cast", [tensor.name], [cast], to=TensorProto.FLOAT))
    content: bytes = whole.SerializeToString()
    return content


def check_rounding(exact: Session, rounded: Session, pieces: Sequence[Pixels]) -> float:
    """Hold the answers of rounded weights against those of exact ones.

    Args:
        exact: runs the graph as it was exported.
        rounded: runs the same with half weights.
        pieces: `(n, H, W, 3)`, uint8, real images, of which a piece is run at a time.

    Returns:
        The largest change of a probability.

    Raises:
        ExportError: one changes by over 0.02, or over 1 % of the images get another class.
    """
    expected, found = (Outputs.joined([run(each) for each in pieces]) for run in (exact, rounded))
    worst = float(np.abs(expected.probabilities - found.probabilities).max())
    if not worst <= _ROUNDING:
        message = (
            f"weights as float16 change a probability by {worst:.3g}, the limit is {_ROUNDING}: "
            "store them as float32; nothing was written"
        )
        raise ExportError(message)
    changed = int((expected.scores.argmax(1) != found.scores.argmax(1)).sum())
    if changed > _CHANGED_SHARE * len(found.scores):
        message = (
            f"weights as float16 give {changed} of {len(found.scores)} images another class: store "
            "them as float32; nothing was written"
        )
        raise ExportError(message)
    return worst
