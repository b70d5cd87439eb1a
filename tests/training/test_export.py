"""Export: ONNX says what torch says, or nothing is written."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from model.artifact.checks import SUM_TOLERANCE
from tests.trained import SmallModel
from training.checkpoint import Run
from training.data import load_dataset
from training.errors import ExportError
from training.export import export, onnx_session
from training.golden import draw_golden_inputs


def test_the_graph_keeps_the_contract(small_models: list[SmallModel]) -> None:
    """One uint8 input with a dynamic batch, three float32 outputs, one file, opset 20."""
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
    ]
    assert [opset.version for opset in graph.opset_import] == [20]


def test_the_file_holds_no_path(small_models: list[SmallModel]) -> None:
    """Neither the graph nor the manifest tells where it was made."""
    small = small_models[0]

    everything = small.model + small.manifest.model_dump_json().encode()

    for path in (Path.cwd(), Path(torch.__file__).parent, small.run):
        assert str(path).encode() not in everything


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_onnx_agrees_with_torch_and_adds_up(
    small_models: list[SmallModel], batch_size: int
) -> None:
    """Every output within 1e-4 for any batch size; contributions sum to the score."""
    small = small_models[0]
    images = torch.randint(0, 256, (batch_size, 16, 16, 3), dtype=torch.uint8)

    found = onnx_session(small.model)(images.numpy())

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
    from training.__main__ import main  # noqa: PLC0415

    flags = "--limit-train 1000 --limit-test 300 --epochs 1 --batch-size 50 --widths 8,12,12"
    arguments = ["fit", f"cifar10:{real_data}", "--run", str(tmp_path), *flags.split()]
    assert main([*arguments, "--pool-before", "2", "--threads", "1", "--quiet"]) == 0
    run = Run(tmp_path)
    trained, images = run.load_model(), load_dataset(run.settings()).test.images

    exported = export(trained, run.settings(), images)

    with torch.no_grad():
        scores, _, contributions = trained.network(images)
        maps = trained.network.position_contributions(images)
    onnx_scores, _, onnx_contributions = onnx_session(exported.model)(images.numpy())
    assert exported.n == 300
    assert exported.worst <= 1e-4
    assert ((contributions.sum(1) - scores).abs() <= 1e-5 * contributions.abs().sum(1)).all()
    limit = 1e-5 * np.abs(onnx_contributions).sum(1)
    assert (np.abs(onnx_contributions.sum(1) - onnx_scores) <= limit).all()
    total = torch.stack([layer.sum((1, 2)) for layer in maps]).sum(0)
    size = torch.stack([layer.abs().sum((1, 2)) for layer in maps]).sum(0)
    assert ((total - scores).abs() <= 1e-5 * size).all()


def test_a_model_that_disagrees_is_not_exported(
    small_models: list[SmallModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If ONNX and torch differ, the error says which output and by how much."""
    run = Run(small_models[0].run)
    trained = run.load_model()
    other = Run(small_models[1].run).load_model().network
    images = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    monkeypatch.setattr("training.export.to_onnx", lambda _: small_models[0].model)

    with pytest.raises(ExportError, match="the exported scores differ from torch's by"):
        export(dataclasses.replace(trained, network=other), run.settings(), images)


@pytest.mark.parametrize("size", [(4, 4), (32, 32), (28, 17)])
def test_golden_pictures_are_drawn_the_same_each_time(size: tuple[int, int]) -> None:
    """Four different pictures of the asked size, always the same."""
    first, again = draw_golden_inputs(*size), draw_golden_inputs(*size)

    assert first.shape == (4, *size, 3)
    assert (first == again).all()
    assert len({picture.tobytes() for picture in first}) == 4
