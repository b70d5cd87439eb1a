"""A network cut in two: the parts give what the whole gives, and only our graphs are cut."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from model.artifact.anytime import PASSED, contributions_spec
from model.artifact.checks import SUM_TOLERANCE, check_stages
from model.artifact.image import Pixels
from model.artifact.outputs import input_spec
from model.artifact.runtime import OnnxSession, OnnxStage
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.trained import SmallModel
from training.errors import ExportError
from training.publish.graph import to_onnx
from training.publish.layers import LayeredGraph
from training.publish.split import cheap_prefix, split


def pictures(number: int, size: int = 16) -> Pixels:
    """Draw noise."""
    return np.random.default_rng(number).integers(0, 256, (number, size, size, 3), np.uint8)


@pytest.mark.parametrize("number", [1, 5])
def test_the_parts_of_a_trained_network_give_the_whole(
    small_models: list[SmallModel], number: int
) -> None:
    """Every contribution within 1e-5, by graphs with the inputs and outputs of the contract."""
    model = small_models[0].model

    stages = split(model)

    prefix, suffix = OnnxStage(stages.prefix, "cpu"), OnnxStage(stages.suffix, "cpu")
    prefix.check((input_spec(16, 16), stages.passed, contributions_spec(1, 3)))
    suffix.check((stages.passed, contributions_spec(1, 3)))
    assert stages.prefix_layers == 1
    assert stages.passed.shape == ("N", 8, 8, 8)  # 8 channels, pooled
    worst = check_stages(pictures(number), OnnxSession(model, "cpu"), prefix, suffix)
    assert worst <= SUM_TOLERANCE


@pytest.mark.parametrize("convolutions", [(1,), (2,), (1, 2), (1, 2, 1)])
@pytest.mark.parametrize("prefix_layers", [1, 2, 3])
def test_a_network_with_shortcuts_is_cut_between_any_two_layers(
    prefix_layers: int, convolutions: tuple[int, ...]
) -> None:
    """A shortcut stays within its layer, so that it never crosses the cut; two convolutions too."""
    spec = NetworkSpec(
        12,
        12,
        4,
        (6, 6, 6, 8),
        (3,),
        2,
        shortcut=True,
        assignment="learnable",
        convolutions=convolutions,
    )
    model = to_onnx(ForwardForwardNetwork(spec, 0))

    stages = split(model, prefix_layers)

    prefix, suffix = OnnxStage(stages.prefix, "cpu"), OnnxStage(stages.suffix, "cpu")
    check_stages(pictures(3, 12), OnnxSession(model, "cpu"), prefix, suffix)
    assert prefix(pictures(3, 12))["contributions"].shape == (3, prefix_layers, 4)
    of_each = [len(layer) for layer in LayeredGraph(model).convolutions]
    assert of_each == [block.convolutions for block in spec.blocks()]


def test_each_part_holds_its_own_weights(small_models: list[SmallModel]) -> None:
    """Neither file carries the other's convolution."""
    stages = split(small_models[0].model)

    shapes = [
        [tuple(t.dims) for t in onnx.load_model_from_string(graph).graph.initializer]
        for graph in (stages.prefix, stages.suffix)
    ]

    assert [(8, 3, 3, 3) in part for part in shapes] == [True, False]
    assert [(12, 8, 3, 3) in part for part in shapes] == [False, True]


@pytest.mark.parametrize("prefix_layers", [0, 2, -1])
def test_a_cut_that_leaves_nothing_is_refused(
    small_models: list[SmallModel], prefix_layers: int
) -> None:
    """Both parts need a layer."""
    with pytest.raises(ExportError, match=f"a prefix of {prefix_layers} layers of 2 leaves"):
        split(small_models[0].model, prefix_layers)


@pytest.mark.parametrize(
    ("multiply_adds", "expected"),
    [([2, 24, 29, 12], 2), ([50, 50], 1), ([1, 1, 98], 2), ([10, 10, 10, 10], 1)],
)
def test_the_prefix_spends_less_than_half(multiply_adds: list[int], expected: int) -> None:
    """As many layers as spend 45 % together, and at least one."""
    assert cheap_prefix(multiply_adds) == expected


def without_stack(model: onnx.ModelProto) -> None:
    """Make contributions of something that is no stack of layers."""
    for node in model.graph.node:
        if node.op_type == "Concat":
            node.op_type = "Sum"


def without_convolution(model: onnx.ModelProto) -> None:
    """Take a layer's convolution away."""
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.op_type = "ConvInteger"
            return


def across_the_cut(model: onnx.ModelProto) -> None:
    """Have the last layer read the first one's scores."""
    # Later ones are of familiarity.
    stack = next(node for node in model.graph.node if node.op_type == "Concat")
    first, last = stack.input
    summed = onnx.helper.make_node("Add", [first, last], ["summed"])
    model.graph.node.insert(list(model.graph.node).index(stack), summed)
    stack.input[1] = "summed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_stack, r"contributions are made of \['Sum'\], not of layers"),
        (without_convolution, "layer 1 has no convolution"),
        (across_the_cut, "the layers cannot be cut at .*: what follows needs 'images' too"),
    ],
)
def test_another_graph_is_refused(
    small_models: list[SmallModel], change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    """A graph that is not a row of layers says what is not as expected."""
    model = onnx.load_model_from_string(small_models[0].model)
    change(model)

    with pytest.raises(ExportError, match=message):
        split(model.SerializeToString())


def test_what_is_passed_on_has_its_name(small_models: list[SmallModel]) -> None:
    """Output of the one part, input of the other."""
    stages = split(small_models[0].model)

    passed = OnnxStage(stages.prefix, "cpu")(pictures(2))[PASSED]

    assert OnnxStage(stages.suffix, "cpu")(passed)["contributions"].shape == (2, 1, 3)
