"""The graph that takes a network's scores apart, found to agree with torch and to add up."""

import hashlib

import numpy as np
import torch

from model.artifact.evidence import (
    ACTIVITY,
    ASSIGNMENT,
    BY_CLASS,
    BY_RANK,
    CHANNELS,
    COMBINATION_AXIS,
    Evidence,
    EvidenceGraph,
    Floats,
    check_evidence,
    map_name,
    run_evidence,
)
from model.artifact.image import Pixels
from model.artifact.outputs import (
    BATCH_AXIS,
    CONTRIBUTIONS,
    INPUT_NAME,
    PROBABILITIES,
    SCORES,
    ContractError,
    Graph,
    Session,
)
from model.network.evidence import EvidenceNetwork, channel_assignment
from model.network.stack import ForwardForwardNetwork
from training.errors import ExportError
from training.publish.graph import written
from training.publish.half import with_half_weights

# Largest difference to torch, as `check_parity` allows it for the scores; of two graphs, each may
# have it.
_TOLERANCE = 1e-4


class _Written(torch.nn.Module):
    """The evidence as a flat tuple, with the assignment, which is the same for every image."""

    def __init__(self, network: ForwardForwardNetwork) -> None:
        super().__init__()
        self.evidence = EvidenceNetwork(network)
        self.register_buffer("assignment", channel_assignment(network))

    def forward(
        self, images: torch.Tensor, by_class: torch.Tensor, by_rank: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        *columns, maps = self.evidence(images, by_class, by_rank)
        return *columns, self.get_buffer("assignment").clone(), *maps


def to_evidence(network: ForwardForwardNetwork) -> tuple[bytes, EvidenceGraph]:
    """Write the graph that takes the scores apart, and describe it.

    Raises:
        ExportError: torch gave nothing.
    """
    spec = network.spec
    images = torch.zeros((3, spec.image_height, spec.image_width, 3), dtype=torch.uint8)
    # Two tensors: one that is given twice becomes one input.
    by_class, by_rank = torch.zeros((2, 3, 2, spec.num_classes)).unbind()
    with torch.no_grad():
        grids = tuple(_grid(activity) for _, activity in network.eval().activities(images))
    maps = [map_name(layer) for layer in range(1, len(grids) + 1)]
    outputs = [SCORES, PROBABILITIES, CONTRIBUTIONS, CHANNELS, ACTIVITY, ASSIGNMENT, *maps]
    batch, many = torch.export.Dim(BATCH_AXIS), torch.export.Dim(COMBINATION_AXIS)
    graph = written(
        _Written(network),
        (images, by_class.clone(), by_rank.clone()),
        ([INPUT_NAME, BY_CLASS, BY_RANK], outputs),
        ({0: batch}, {0: batch, 1: many}, {0: batch, 1: many}),
    )
    channels = tuple(block.spec.channels for block in network.layers())
    sha256 = hashlib.sha256(graph).hexdigest()
    return graph, EvidenceGraph(sha256=sha256, grids=grids, channels=channels)


def check_parts(
    network: ForwardForwardNetwork, graph: Graph, pixels: Pixels, described: EvidenceGraph
) -> float:
    """Compare the graph with torch on real images, and add its parts up.

    Args:
        network: in evaluation mode.
        graph: opened with the runtime that serves it.
        pixels: `(N, H, W, 3)`, uint8.
        described: what the manifest will say of it.

    Returns:
        The largest residual of a sum, as a fraction of its parts.

    Raises:
        ExportError: a difference to torch is over 1e-4, or parts do not add up.
    """
    factors = _asked(len(pixels), network.spec.num_classes)
    nothing = np.zeros_like(factors)
    found = run_evidence(graph, pixels, factors, nothing, len(described.grids))
    inputs = (torch.from_numpy(array) for array in (pixels, factors, nothing))
    with torch.no_grad():
        expected = EvidenceNetwork(network)(*inputs)
    pairs = zip([*found[:-1], *found.maps], [*expected[:-1], *expected.maps], strict=True)
    worst = max(float(np.abs(ours - theirs.numpy()).max()) for ours, theirs in pairs)
    if not worst <= _TOLERANCE:
        message = f"evidence: onnxruntime and torch differ by {worst:.2e}, over {_TOLERANCE:g}"
        raise ExportError(message)
    return _residual(found, factors)


def rounded_evidence(graph: bytes, described: EvidenceGraph) -> tuple[bytes, EvidenceGraph]:
    """Store the graph's weights as float16, and describe it."""
    rounded = with_half_weights(graph)
    sha256 = hashlib.sha256(rounded).hexdigest()
    return rounded, described.model_copy(update={"sha256": sha256})


def check_rounded(graph: Graph, session: Session, pixels: Pixels, described: EvidenceGraph) -> None:
    """Hold a graph of rounded weights against the rounded model, and add its parts up.

    Args:
        graph: with weights rounded as the model's are.
        session: runs the model.
        pixels: `(N, H, W, 3)`, uint8.
        described: what the manifest will say of it.

    Raises:
        ExportError: a score differs by over 2e-4, or parts do not add up.
    """
    expected = session(pixels).scores
    factors = _asked(len(pixels), expected.shape[1])
    found = run_evidence(graph, pixels, factors, np.zeros_like(factors), len(described.grids))
    worst = float(np.abs(found.scores - expected).max())
    if not worst <= 2 * _TOLERANCE:
        message = f"evidence: its scores differ from the model's by {worst:.2e}"
        raise ExportError(message)
    _residual(found, factors)


def _residual(found: Evidence, factors: Floats) -> float:
    """Give the largest residual of a sum, as `check_evidence` does; its error is an export's."""
    try:
        return check_evidence(found, factors, "the export")
    except ContractError as error:
        raise ExportError(str(error)) from error


def _asked(images: int, classes: int) -> Floats:
    """Ask for two classes and for what tells them apart: `(N, 3, K)`."""
    asked = np.zeros((3, classes), np.float32)
    asked[0, 0] = asked[1, 1] = asked[2, 0] = 1
    asked[2, 1] = -1
    return np.broadcast_to(asked, (images, 3, classes)).copy()


def _grid(activity: torch.Tensor) -> tuple[int, int]:
    height, width = activity.shape[-2:]
    return int(height), int(width)
