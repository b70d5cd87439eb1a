"""Networks of every rule are exported, agree with torch, and are cut in two."""

import dataclasses

import pytest
import torch
from torch import Tensor

from model.artifact.checks import SUM_TOLERANCE, check_stages
from model.artifact.runtime import OnnxGraph, OnnxSession, OnnxStage
from model.network.rule import ActivityNorm, AssignmentKind, InputNorm, LayerRule, ReadoutKind
from model.network.spec import NetworkSpec
from tests.model.network.networks import settled
from training.data.dataset import Split
from training.errors import ExportError
from training.fit.build import build_network
from training.fit.step import LocalUpdate
from training.objective.objective import Moment, Objective
from training.publish.evidence import check_parts, to_evidence
from training.publish.graph import to_onnx
from training.publish.parity import check_parity
from training.publish.split import split
from training.settings.load import load_settings

SPEC = NetworkSpec(
    image_height=16,
    image_width=12,
    num_classes=3,
    widths=(4, 4, 8),
    pool_before=(3,),
    regions=1,
    shortcut=True,
    assignment="learnable",
    concatenate=True,
)
PAPER = LayerRule(
    activity_norm="none",
    input_norm="instance",
    stage_pooling="average",
    pooling=(0.94, 0.06, -0.05),
    readout="plain",
)


def pictures(number: int, height: int = 16, width: int = 12) -> Tensor:
    """Draw noise."""
    chance = torch.Generator().manual_seed(number)
    shape = (number, height, width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)


def check_export(spec: NetworkSpec) -> None:
    """Export a network, hold it against torch, and its parts against the whole."""
    network = settled(spec)
    model = to_onnx(network)
    session = OnnxSession(model, "cpu")

    check_parity(network, session, pictures(5).numpy())
    stages = split(model, len(spec.widths) // 2)
    prefix, suffix = OnnxStage(stages.prefix, "cpu"), OnnxStage(stages.suffix, "cpu")
    for number in (1, 5):
        check_stages(pictures(number).numpy(), session, prefix, suffix)


@pytest.mark.parametrize("regions", [1, 3])
def test_the_paper_s_rule_is_exported_and_cut(regions: int) -> None:
    """With regions that divide the grid and that do not, for any batch size."""
    rule = dataclasses.replace(PAPER, squared=regions == 3).options()

    check_export(dataclasses.replace(SPEC, regions=regions, assignment="tempered", **rule))


@pytest.mark.parametrize(
    ("activity_norm", "input_norm", "readout", "assignment"),
    [
        ("batch", "layer", "mean", "tempered"),
        ("none", "batch", "standardised", "fixed"),
        ("batch", "instance", "plain", "learnable"),
    ],
)
def test_norms_and_readouts_are_exported_and_cut(
    activity_norm: ActivityNorm,
    input_norm: InputNorm,
    readout: ReadoutKind,
    assignment: AssignmentKind,
) -> None:
    """Each of them at least once, in company it does not have in a preset."""
    check_export(
        dataclasses.replace(
            SPEC,
            activity_norm=activity_norm,
            input_norm=input_norm,
            readout=readout,
            assignment=assignment,
        )
    )


@pytest.mark.parametrize("regions", [1, 3])
def test_a_network_of_two_views_is_exported_whole(regions: int) -> None:
    """For any batch size, with evidence that adds up; it is not cut in two."""
    spec = dataclasses.replace(SPEC, mirrored=True, regions=regions, convolutions=(1, 2))
    network = settled(spec)
    model = to_onnx(network)
    session = OnnxSession(model, "cpu")

    graph, described = to_evidence(network)

    for number in (1, 2, 5):
        check_parity(network, session, pictures(number).numpy())
        check_parts(network, OnnxGraph(graph, "cpu"), pictures(number).numpy(), described)
    with pytest.raises(ExportError, match="it cannot be cut"):
        split(model)


@pytest.mark.parametrize("name", ["caw-resnet17", "deeper-forward", "cwcomp"])
def test_a_preset_s_rule_learns_and_is_exported(name: str) -> None:
    """A few steps on one batch lower the loss; what was learned is exported and cut."""
    shape = {"widths": (6, 6, 12), "pool_before": (3,), "freeze_after": ()}
    settings = load_settings({"data": "cifar10:x", "preset": name, **shape})
    images, labels = pictures(24, 16, 16), torch.arange(24) % 3
    network = build_network(settings.network, Split(images, labels), 3, seed=0).train()
    update = LocalUpdate(network, settings.optimiser, Objective(settings.objective))

    losses = [update.step(images, labels, Moment(step, 100)) for step in range(20)]

    assert losses[-1].mean() < losses[0].mean()
    model = to_onnx(network.eval())
    session = OnnxSession(model, "cpu")
    check_parity(network, session, images.numpy())
    stages = split(model)
    parts = (OnnxStage(stages.prefix, "cpu"), OnnxStage(stages.suffix, "cpu"))
    assert check_stages(images.numpy(), session, *parts) <= SUM_TOLERANCE
