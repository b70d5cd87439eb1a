"""Export: ONNX says what torch says, or nothing is written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from model.artifact.checks import SUM_TOLERANCE
from model.artifact.image import Pixels
from model.artifact.outputs import Outputs
from model.artifact.runtime import OnnxSession
from model.network.parts import channel_contributions, position_contributions
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.trained import SmallModel
from training.__main__ import main
from training.data.load import load_dataset
from training.data.split import split_validation
from training.errors import ExportError
from training.publish.export import export
from training.publish.graph import to_onnx
from training.publish.parity import check_familiarity, check_parity
from training.results.familiarity import learn_familiarity
from training.results.run import Run


def test_the_graph_keeps_the_contract(small_models: list[SmallModel]) -> None:
    """One uint8 input with a dynamic batch, four float32 outputs, one file, opset 20."""
    graph = onnx.load_from_string(small_models[0].model)
    onnx.checker.check_model(graph, full_check=True)

    def described(value: onnx.ValueInfoProto) -> tuple[str, int, list[str | int]]:
        tensor = value.type.tensor_type
        return value.name, tensor.elem_type, [d.dim_param or d.dim_value for d in tensor.shape.dim]

    assert [described(value) for value in graph.graph.input] == [
        ("images", onnx.TensorProto.UINT8, ["N", 16, 16, 3])
    ]
    assert [described(value) for value in graph.graph.output] == [
        ("scores", onnx.TensorProto.FLOAT, ["N", 3]),
        ("probabilities", onnx.TensorProto.FLOAT, ["N", 3]),
        ("contributions", onnx.TensorProto.FLOAT, ["N", 2, 3]),
        ("familiarity", onnx.TensorProto.FLOAT, ["N"]),
    ]
    assert [opset.version for opset in graph.opset_import] == [20]


def test_the_file_holds_no_path(small_models: list[SmallModel]) -> None:
    """Neither the graph nor the manifest tells where it was made."""
    small = small_models[0]

    everything = small.model + small.manifest.model_dump_json().encode()

    for path in (Path.cwd(), Path(torch.__file__).parent, small.run):
        assert str(path).encode() not in everything


def test_the_file_holds_no_denormal_number() -> None:
    """Statistics of a dead channel decay to numbers that slow every convolution behind it."""
    spec = NetworkSpec(16, 16, 3, (4, 4), (2,), 2, shortcut=True, assignment="learnable")
    network = ForwardForwardNetwork(spec, 0).eval()
    for norm in (network.layers()[1].input_norm, network.layers()[0].goodness_norm):
        norm.get_buffer("running_mean")[0] = 1e-40
        norm.get_buffer("running_var")[0] = 1e-42
    images = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)

    model = to_onnx(network)

    constants = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(model).graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    ]
    assert all(((c == 0) | (np.abs(c) > 1e-19)).all() for c in constants)
    assert check_parity(network, OnnxSession(model, "cpu"), images.numpy()) <= 1e-4


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_onnx_agrees_with_torch_and_adds_up(
    small_models: list[SmallModel], batch_size: int
) -> None:
    """Every output within 1e-4 for any batch size; contributions sum to the score."""
    small = small_models[0]
    images = torch.randint(0, 256, (batch_size, 16, 16, 3), dtype=torch.uint8)

    found = OnnxSession(small.model, "cpu")(images.numpy())

    with torch.no_grad():
        expected = Run(small.run).load_model().network(images)
    for theirs, ours in zip(expected, found[:3], strict=True):
        assert ours is not None
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4, rtol=0)
    scores, _, contributions, _ = found
    assert contributions is not None
    limit = SUM_TOLERANCE * np.abs(contributions).sum(1)
    assert (np.abs(contributions.sum(1) - scores) <= limit).all()


def test_layers_and_positions_sum_to_the_score_on_real_images(
    real_data: Path, tmp_path: Path
) -> None:
    """A network trained on CIFAR-10 explains CIFAR-10 exactly, in torch and in ONNX."""
    flags = "--limit-train 1000 --limit-test 300 --epochs 1 --batch-size 50 --widths 8,12,12"
    arguments = ["fit", f"cifar10:{real_data}", "--run", str(tmp_path), *flags.split()]
    assert main([*arguments, "--pool-before", "2", "--threads", "1", "--quiet"]) == 0
    run = Run(tmp_path)
    trained, settings = run.load_model(), run.settings()
    images = load_dataset(settings.data, settings.run.seed).test.images

    exported = export(trained, settings, images)

    with torch.no_grad():
        scores, _, contributions = trained.network(images)
        maps = position_contributions(trained.network, images)
        channels = channel_contributions(trained.network, images)
    found = OnnxSession(exported.model, "cpu")(images.numpy())
    assert exported.n == 300
    assert exported.worst <= 1e-4
    assert ((contributions.sum(1) - scores).abs() <= 1e-5 * contributions.abs().sum(1)).all()
    assert found.contributions is not None
    limit = 1e-5 * np.abs(found.contributions).sum(1)
    assert (np.abs(found.contributions.sum(1) - found.scores) <= limit).all()
    for parts in ([layer.flatten(1, -2) for layer in each] for each in (maps, channels)):
        total = torch.stack([layer.sum(1) for layer in parts]).sum(0)
        size = torch.stack([layer.abs().sum(1) for layer in parts]).sum(0)
        assert ((total - scores).abs() <= 1e-5 * size).all()


def test_a_model_that_disagrees_is_refused(small_models: list[SmallModel]) -> None:
    """Held against another network, the error says which output differs and by how much."""
    other = Run(small_models[1].run).load_model().network
    images = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8).numpy()

    with pytest.raises(ExportError, match="the exported scores differ from torch's by"):
        check_parity(other, OnnxSession(small_models[0].model, "cpu"), images)


def test_a_model_that_answers_nan_is_refused(small_models: list[SmallModel]) -> None:
    """No difference is below the limit where there is no number."""
    network = Run(small_models[0].run).load_model().network
    images = torch.zeros((2, 16, 16, 3), dtype=torch.uint8).numpy()

    def answers_nan(pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        found = OnnxSession(small_models[0].model, "cpu")(pixels, wanted)
        return found._replace(scores=found.scores * np.float32("nan"))

    with pytest.raises(ExportError, match="the exported scores differ from torch's by nan"):
        check_parity(network, answers_nan, images)


def test_a_familiarity_that_disagrees_is_refused(small_models: list[SmallModel]) -> None:
    """It is held against what its percentiles were found by."""
    run = Run(small_models[0].run)
    settings, network = run.settings(), run.load_model().network
    dataset = load_dataset(settings.data, settings.run.seed)
    kept = split_validation(dataset, settings.data.validation_fraction, settings.run.seed)
    familiar = learn_familiarity(network, *kept)
    images = dataset.test.images.numpy()
    exact = OnnxSession(small_models[0].model, "cpu")

    def shifted(pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        found = exact(pixels, wanted)
        return found._replace(optional={"familiarity": found.optional["familiarity"] + 0.5})

    check_familiarity(network, familiar, exact, images)
    with pytest.raises(ExportError, match=r"familiarity differs from torch's by 0\.5"):
        check_familiarity(network, familiar, shifted, images)


def test_the_layers_of_the_manifest_are_those_of_the_report(small_models: list[SmallModel]) -> None:
    """Layer weights, losses and accuracies are the run's own."""
    small = small_models[0]

    report = Run(small.run).load_model().report

    assert [layer.name for layer in small.manifest.layers] == ["stem", "block2"]
    weights = [layer.weight for layer in small.manifest.layers]
    assert weights == list(report.calibration.layer_weights)
    assert small.manifest.accuracy is not None
    assert small.manifest.accuracy.value == report.test.accuracy
    assert small.manifest.temperature == report.calibration.temperature
