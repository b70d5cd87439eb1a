"""An exported graph read as layers: their convolutions, their scores, and what leads to them."""

import math
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from model.artifact.outputs import BATCH_AXIS, CONTRIBUTIONS, INPUT_NAME, TensorSpec
from training.errors import ExportError


class LayeredGraph:
    """One ONNX file of ours, from which the work of some of its layers can be cut."""

    def __init__(self, model: bytes) -> None:
        """Read the bytes of an ONNX file.

        Raises:
            ExportError: it is no graph of layers as `to_onnx` writes it.
        """
        self._model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model))
        graph = self._model.graph
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        values = (*graph.input, *graph.output, *graph.value_info)
        self._types = {value.name: value.type.tensor_type for value in values}
        self._scores, self._weights = self._weighed_scores()
        self.convolutions = self._convolutions()

    def multiply_adds(self) -> list[int]:
        """Count what each layer's convolutions cost for one image."""
        return [sum(map(self._multiply_adds, layer)) for layer in self.convolutions]

    def _multiply_adds(self, conv: NodeProto) -> int:
        positions = [int(axis) for axis in self.spec(conv.output[0]).shape[2:]]
        stored = conv.input[1]
        if stored in self._makers:  # float16, cast to float32
            (stored,) = self._makers[stored].input
        weights = [int(axis) for axis in self._constants[stored].dims]
        return math.prod(weights + positions)

    def spec(self, tensor: str) -> TensorSpec:
        """Describe a tensor by its dtype and shape; its first axis is the batch."""
        found = self._types[tensor]
        dtype = helper.tensor_dtype_to_np_dtype(found.elem_type).name
        shape = (BATCH_AXIS, *(axis.dim_value for axis in found.shape.dim[1:]))
        return TensorSpec.model_validate({"name": tensor, "dtype": dtype, "shape": shape})

    def has_row_per_image(self, tensor: str) -> bool:
        """Tell whether a tensor's first axis is the batch, not all views of it."""
        return bool(self._types[tensor].shape.dim[0].dim_param == BATCH_AXIS)

    def cut(
        self,
        layers: slice,
        taken: tuple[str, str],
        passed: tuple[str, str] | None = None,
    ) -> bytes:
        """Write the part that leads from one tensor to the contributions of some layers.

        Args:
            layers: whose contributions are an output.
            taken: the tensor that is the input, and its name there.
            passed: a tensor that is another output, and its name there.

        Raises:
            ExportError: the part needs more than its input.
        """
        scores, weights = self._scores[layers], self._weights[layers]
        nodes = self._leading_to([*scores, *(passed or ())[:1]], taken[0])
        if taken[0] != taken[1]:
            nodes.insert(0, helper.make_node("Identity", [taken[1]], [taken[0]]))
        nodes += [
            helper.make_node("Concat", scores, ["layer_scores"], axis=1),
            helper.make_node("Mul", ["layer_scores", "layer_weights"], [CONTRIBUTIONS]),
        ]
        shape = (BATCH_AXIS, len(scores), self.spec(CONTRIBUTIONS).shape[2])
        outputs = [helper.make_tensor_value_info(CONTRIBUTIONS, TensorProto.FLOAT, shape)]
        if passed is not None:
            nodes.append(helper.make_node("Identity", [passed[0]], [passed[1]]))
            outputs.append(self._value(*passed))
        used = {name for node in nodes for name in node.input}
        constants = [tensor for name, tensor in self._constants.items() if name in used]
        constants.append(numpy_helper.from_array(weights, "layer_weights"))
        graph = helper.make_graph(nodes, "part", [self._value(*taken)], outputs, constants)
        opsets, version = self._model.opset_import, self._model.ir_version
        content: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=version
        ).SerializeToString()
        return content

    def _weighed_scores(self) -> tuple[list[str], NDArray[np.float32]]:
        """Name each layer's scaled goodness, `(N, 1, K)`, and give the weights `(L, 1)`."""
        factors = self._makers[CONTRIBUTIONS].input if CONTRIBUTIONS in self._makers else ()
        stacks = [self._makers[name] for name in factors if name in self._makers]
        weights = [self._constants[name] for name in factors if name in self._constants]
        found = [node.op_type for node in stacks]
        if found != ["Concat"] or len(weights) != 1:
            message = f"contributions are made of {found}, not of layers as an export has them"
            raise ExportError(message)
        scores = list(stacks[0].input)
        if not scores or len(scores) != weights[0].dims[0]:
            message = (
                f"{len(scores)} layers' scores and weights {tuple(weights[0].dims)} do not fit; "
                "export the model anew"
            )
            raise ExportError(message)
        return scores, numpy_helper.to_array(weights[0])

    def _convolutions(self) -> list[list[NodeProto]]:
        """List those of each layer, one or two: they lead to its score, and to none before."""
        layers: list[list[NodeProto]] = []
        seen = set[str]()
        for number, score in enumerate(self._scores, start=1):
            leading = self._leading_to([score], INPUT_NAME)
            own = [n for n in leading if n.op_type == "Conv" and n.output[0] not in seen]
            if not own:
                message = f"layer {number} has no convolution; export the model anew"
                raise ExportError(message)
            seen.update(node.output[0] for node in own)
            layers.append(own)
        return layers

    def _leading_to(self, ends: Sequence[str], start: str) -> list[NodeProto]:
        """Gather the nodes between a tensor and others, in the graph's order."""
        needed, open_ends = set[str](), list(ends)
        while open_ends:
            name = open_ends.pop()
            if name == start or name in self._constants or name in needed or not name:
                continue
            if name not in self._makers:
                message = f"the layers cannot be cut at {start!r}: what follows needs {name!r} too"
                raise ExportError(message)
            needed.add(name)
            open_ends += self._makers[name].input
        return [node for node in self._model.graph.node if needed.intersection(node.output)]

    def _value(self, tensor: str, name: str) -> onnx.ValueInfoProto:
        spec = self.spec(tensor)
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        return helper.make_tensor_value_info(name, dtype, spec.shape)
