"""Weights stored as float16: half the file, nearly the same answers, and all that is made of it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from model.artifact.checks import check_stages
from model.artifact.evidence import check_evidence, run_evidence
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import Graph, Session
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxGraph, OnnxSession, OnnxStage
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from service.card import model_card
from tests.trained import SmallModel
from training.__main__ import main
from training.errors import ExportError
from training.initial.read import read_layers
from training.publish.graph import to_onnx
from training.publish.half import check_rounding, with_half_weights
from training.publish.layers import LayeredGraph
from training.publish.split import split

SPEC = NetworkSpec(
    16, 16, 4, (16, 24, 24), (2, 3), 2, shortcut=True, assignment="learnable", convolutions=(1, 2)
)


def network() -> ForwardForwardNetwork:
    """Draw a network of layers of one and of two convolutions."""
    return ForwardForwardNetwork(SPEC, 0).eval()


def pictures(number: int = 5, side: int = 16) -> Pixels:
    """Draw pictures."""
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), np.uint8)


def stored(model: bytes) -> dict[str, TensorProto]:
    """Give the constants of a graph, by name."""
    return {t.name: t for t in onnx.load_model_from_string(model).graph.initializer}


def test_the_weights_take_half_the_bytes() -> None:
    """Those of convolutions, and no others; the graph stays a sound one."""
    exact = to_onnx(network())

    half = with_half_weights(exact)

    onnx.checker.check_model(onnx.load_model_from_string(half), full_check=True)
    before, after = stored(exact), stored(half)
    halved = {n for n, tensor in after.items() if tensor.data_type == TensorProto.FLOAT16}
    assert halved == {n for n in before if n.endswith("conv.weight")}
    assert len(halved) == 5
    assert len(exact) - len(half) > 0.45 * sum(len(before[name].raw_data) for name in halved)


def test_answers_are_those_of_rounded_weights() -> None:
    """A layer's weights move by one part in 2,048 at most, and scores by about as much."""
    exact, half = (OnnxSession(m, "cpu") for m in both())

    found, expected = half(pictures()), exact(pictures())

    size = np.abs(expected.scores).max()
    assert np.abs(found.scores - expected.scores).max() <= 1e-2 * size
    assert 0 < check_rounding(exact, half, [pictures()]) <= 1e-2


def test_a_half_graph_is_cut_like_any_other() -> None:
    """Each part holds its own weights as float16, and both give what the whole gives."""
    exact, half = both()

    stages = split(half, 2)

    assert LayeredGraph(half).multiply_adds() == LayeredGraph(exact).multiply_adds()
    prefix, suffix = OnnxStage(stages.prefix, "cpu"), OnnxStage(stages.suffix, "cpu")
    check_stages(pictures(), OnnxSession(half, "cpu"), prefix, suffix)
    of_each = [stored(part) for part in (stages.prefix, stages.suffix)]
    kinds = [sum(t.data_type == TensorProto.FLOAT16 for t in part.values()) for part in of_each]
    assert kinds == [3, 2]


def test_weights_beyond_float16_are_refused() -> None:
    """Infinity would be no rounding."""
    large = network()
    with torch.no_grad():
        large.layers()[1].conv.weight.mul_(1e7)

    with pytest.raises(ExportError, match="weights beyond 65504"):
        with_half_weights(to_onnx(large))


def test_rounding_that_moves_a_probability_is_refused() -> None:
    """Held against another network, the message says by how much."""
    other = ForwardForwardNetwork(SPEC, 1).eval()
    with torch.no_grad():
        for layer in other.layers():
            layer.scale.mul_(20)
    ours, theirs = (OnnxSession(to_onnx(each), "cpu") for each in (network(), other))

    with pytest.raises(ExportError, match="change a probability by"):
        check_rounding(ours, theirs, [pictures()])


def test_a_run_is_exported_and_published_so(
    small_models: list[SmallModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the weights' bytes, evidence that adds up, layers to start from."""
    small = small_models[0]
    root = tmp_path / "models"

    run = ["--run", str(small.run), "--repository", str(root)]
    assert main(["publish", *run, "--weights", "float16", "--export", str(tmp_path)]) == 2
    assert "name an export, or how to export" in capsys.readouterr().err
    assert main(["export", "--run", str(small.run), "--out", str(tmp_path / "out")]) == 0
    assert (
        main(
            [
                "export",
                "--run",
                str(small.run),
                "--out",
                str(tmp_path / "half"),
                "--weights",
                "float16",
            ]
        )
        == 0
    )
    assert "rounded to float16: that changes a probability by" in capsys.readouterr().out
    assert main(["publish", *run, "--name", "half", "--export", str(tmp_path / "half")]) == 0

    repository = ModelRepository(root)
    active = repository.active()
    assert active is not None
    version = repository.read(active)
    exact = (tmp_path / "out" / "model.onnx").read_bytes()
    weights = sum(len(t.raw_data) for n, t in stored(exact).items() if n.endswith("conv.weight"))
    assert len(exact) - len(version.model) > 0.4 * weights
    assert version.manifest.training["weights"] == "float16"
    card = model_card(active, version.manifest, b"")
    assert "--widths 8,12" in card
    assert "--weights" not in card
    session, graph = opened(version.model, version.graphs["evidence.onnx"])
    add_up(version.manifest, session, graph)
    layers = read_layers(tmp_path / "half").layers
    assert all(t.dtype is torch.float32 for layer in layers for t in layer.values())
    for ours, theirs in zip(layers, read_layers(tmp_path / "out").layers, strict=True):
        torch.testing.assert_close(ours["conv.weight"], theirs["conv.weight"], atol=1e-3, rtol=1e-3)


def both() -> tuple[bytes, bytes]:
    """Export a network, and store its weights in half the bytes."""
    exact = to_onnx(network())
    return exact, with_half_weights(exact)


def opened(model: bytes, evidence: bytes) -> tuple[Session, Graph]:
    """Open a version's graphs."""
    return OnnxSession(model, "cpu"), OnnxGraph(evidence, "cpu")


def add_up(manifest: Manifest, session: Session, graph: Graph) -> None:
    """Make sure that the evidence is of the model's own scores, and sums to them."""
    assert manifest.evidence is not None
    images = pictures()
    classes = len(manifest.labels)
    wanted = np.broadcast_to(np.eye(classes, dtype=np.float32), (5, classes, classes)).copy()
    found = run_evidence(graph, images, wanted, 0 * wanted, len(manifest.evidence.grids))
    np.testing.assert_allclose(found.scores, session(images).scores, atol=1e-4)
    check_evidence(found, wanted, "the test")
