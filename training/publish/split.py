"""An exported network cut in two: its first layers, and the others on what those pass on."""

from typing import NamedTuple

from model.artifact.anytime import PASSED
from model.artifact.outputs import INPUT_NAME, TensorSpec
from training.errors import ExportError
from training.publish.layers import LayeredGraph

# A prefix that costs more leaves too little to save; two layers of the bundled model are 38 %.
_PREFIX_SHARE = 0.45


class Stages(NamedTuple):
    """A network in two graphs.

    Attributes:
        prefix_layers: p, of L layers.
        prefix: ONNX, images to `passed` and contributions `(N, p, K)`.
        suffix: ONNX, `passed` to contributions `(N, L - p, K)`.
        passed: what layer p passes on, pooled already if layer p + 1 begins a stage.
    """

    prefix_layers: int
    prefix: bytes
    suffix: bytes
    passed: TensorSpec


def split(model: bytes, prefix_layers: int | None = None) -> Stages:
    """Cut an exported network after a prefix of its layers.

    Args:
        model: the bytes of an ONNX file that `to_onnx` wrote.
        prefix_layers: p; by default the most layers that spend at most 45 % of the
            multiply-adds, but at least one.

    Raises:
        ExportError: no layer would be left on one side, images are mirrored, or the graph is not
            of our layers.
    """
    graph = LayeredGraph(model)
    layers = len(graph.convolutions)
    chosen = cheap_prefix(graph.multiply_adds()) if prefix_layers is None else prefix_layers
    if not 1 <= chosen < layers:
        message = f"a prefix of {chosen} layers of {layers} leaves nothing to stop before"
        raise ExportError(message)
    # The convolution's own input: pooled, it is a quarter of what the layer before gives.
    between = graph.convolutions[chosen][0].input[0]
    if not graph.has_row_per_image(between):
        message = (
            "its layers do not pass on a row for each image (--mirrored has two): it cannot be cut"
        )
        raise ExportError(message)
    prefix = graph.cut(slice(chosen), (INPUT_NAME, INPUT_NAME), (between, PASSED))
    suffix = graph.cut(slice(chosen, None), (between, PASSED))
    passed = graph.spec(between).model_copy(update={"name": PASSED})
    return Stages(chosen, prefix, suffix, passed)


def cheap_prefix(multiply_adds: list[int]) -> int:
    """Count the first layers that together spend at most 45 %; at least one.

    Args:
        multiply_adds: of each layer.
    """
    spent = [sum(multiply_adds[: count + 1]) for count in range(len(multiply_adds) - 1)]
    return max(1, sum(each <= _PREFIX_SHARE * sum(multiply_adds) for each in spent))
