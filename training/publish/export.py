"""From a trained run to one ONNX file and its manifest, refused unless both say the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.artifact.checks import check_answers
from model.artifact.evidence import EVIDENCE_FILE, EvidenceGraph
from model.artifact.familiarity import FamiliarityScale
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import FAMILIARITY, ContractError, Session, output_spec
from model.network.evidence import can_show_evidence
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split, at_once
from training.errors import ExportError
from training.publish.conformal import conformal_scale
from training.publish.describe import describe_model
from training.publish.evidence import check_parts, check_rounded, rounded_evidence, to_evidence
from training.publish.graph import to_onnx
from training.publish.half import check_rounding, with_half_weights
from training.publish.parity import check_familiarity, check_parity
from training.publish.runtime import onnx_graph, onnx_session
from training.results.familiarity import Familiar
from training.results.trained import InterimModel
from training.settings.fit import FitSettings
from training.settings.values import StoredWeights


@dataclass(frozen=True)
class Exported:
    """An ONNX file and its manifest, found to agree.

    Attributes:
        model: the bytes of `model.onnx`.
        manifest: what is known about it.
        worst: the largest difference between torch and onnxruntime over all outputs.
        n: the real images on which they were compared.
        graphs: the further graphs that the manifest names, by file.
        rounding: the largest change of a probability by weights stored as float16, if they are.
    """

    model: bytes
    manifest: Manifest
    worst: float
    n: int
    graphs: Mapping[str, bytes]
    rounding: float | None = None


def export(  # noqa: PLR0913, PLR0917  what an export may hold
    trained: InterimModel,
    settings: FitSettings,
    images: Tensor,
    familiar: Familiar | None = None,
    validation: Split | None = None,
    weights: StoredWeights = "float32",
) -> Exported:
    """Export a trained network and compare it with torch on real images.

    Args:
        trained: calibrated, in evaluation mode.
        settings: of its run, for the manifest.
        images: `(N, H, W, 3)`, uint8, real ones.
        familiar: what tells familiar images, if the export should.
        validation: images not learned from, to calibrate sets of classes by, if the export should.
        weights: how the convolutions' weights are stored. All is compared with torch as float32
            first, and then with that.

    Raises:
        ExportError: an output differs by over 1e-4, an image gets another class, parts do not
            sum to scores, or weights cannot be stored as float16.
    """
    model = to_onnx(trained.network, familiar.network if familiar else None)
    session = onnx_session(model)
    _, height, width, _ = images.shape
    pieces = [each.numpy() for each in torch.split(images, at_once(height, width, len(images)))]
    worst = _compared(trained.network, session, familiar, pieces)
    rounding = None
    if weights == "float16":
        model, exact = with_half_weights(model), session
        session = onnx_session(model)
        rounding = check_rounding(exact, session, pieces)
    manifest = describe_model(trained, settings, model, session)
    if rounding is not None:
        noted = manifest.training | {"weights": weights}
        manifest = manifest.model_copy(update={"training": noted})
    if familiar is not None:
        manifest = _with_scale(manifest, familiar.scale)
    if validation is not None:
        scale = conformal_scale(session, validation)
        manifest = manifest.model_copy(update={"conformal": scale})
    try:
        check_answers(manifest, session)
    except ContractError as error:
        raise ExportError(str(error)) from error
    graphs = {}
    if can_show_evidence(trained.network):
        graph, described = _evidence(trained.network, session, pieces, weights)
        manifest = manifest.model_copy(update={"evidence": described})
        graphs = {EVIDENCE_FILE: graph}
    return Exported(model, manifest, worst, len(images), graphs, rounding)


def _compared(
    network: ForwardForwardNetwork,
    session: Session,
    familiar: Familiar | None,
    pieces: Sequence[Pixels],
) -> float:
    """Hold every output against torch's; give the largest difference of an answer."""
    if familiar is not None:
        for piece in pieces:
            check_familiarity(network, familiar, session, piece)
    return max(check_parity(network, session, piece) for piece in pieces)


def _evidence(
    network: ForwardForwardNetwork,
    session: Session,
    pieces: Sequence[Pixels],
    weights: StoredWeights,
) -> tuple[bytes, EvidenceGraph]:
    """Write the graph that takes answers apart, and hold it against torch."""
    graph, described = to_evidence(network)
    opened = onnx_graph(graph)
    for piece in pieces:
        check_parts(network, opened, piece, described)
    if weights == "float16":
        graph, described = rounded_evidence(graph, described)
        opened = onnx_graph(graph)
        for piece in pieces:
            check_rounded(opened, session, piece, described)
    return graph, described


def _with_scale(manifest: Manifest, scale: FamiliarityScale) -> Manifest:
    spec = output_spec(FAMILIARITY, len(manifest.layers), len(manifest.labels))
    outputs = (*manifest.outputs, spec)
    return manifest.model_copy(update={"outputs": outputs, "familiarity": scale})
