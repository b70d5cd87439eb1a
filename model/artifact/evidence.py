"""What a manifest says about taking scores apart: one more graph, that shows evidence."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model.artifact.image import Pixels
from model.artifact.outputs import (
    BATCH_AXIS,
    CONTRIBUTIONS,
    INPUT_NAME,
    PROBABILITIES,
    SCORES,
    ContractError,
    Frozen,
    Graph,
    TensorSpec,
    input_spec,
    output_specs,
)
from model.artifact.sha256 import Sha256

EVIDENCE_FILE = "evidence.onnx"
BY_CLASS, BY_RANK = "by_class", "by_rank"
CHANNELS, ACTIVITY, ASSIGNMENT = "channels", "activity", "assignment"
# The second axis of what is asked: combinations of classes.
COMBINATION_AXIS = "M"

# How far parts may be from their sum, as a fraction of the sum of their absolute values.
RESIDUAL_LIMIT = 1e-5

Floats = NDArray[np.float32]


class EvidenceGraph(Frozen):
    """The graph that takes the scores of a version apart.

    Attributes:
        sha256: of `evidence.onnx`.
        grids: rows and columns of each layer's activity.
        channels: of each layer.
    """

    sha256: Sha256
    grids: tuple[tuple[int, int], ...] = Field(min_length=1)
    channels: tuple[int, ...] = Field(min_length=1)

    def specs(self, height: int, width: int, num_classes: int) -> tuple[TensorSpec, ...]:
        """Describe the graph's inputs and outputs."""
        layers, total = len(self.grids), sum(self.channels)
        asked = (BATCH_AXIS, COMBINATION_AXIS)
        return (
            input_spec(height, width),
            *(_float(name, (*asked, num_classes)) for name in (BY_CLASS, BY_RANK)),
            *output_specs(layers, num_classes),
            _float(CHANNELS, (*asked, total)),
            _float(ACTIVITY, (BATCH_AXIS, total)),
            _float(ASSIGNMENT, (total, num_classes)),
            *(
                _float(map_name(layer), (*asked, *grid))
                for layer, grid in enumerate(self.grids, start=1)
            ),
        )


class Evidence(NamedTuple):
    """What the graph says of N images and M combinations of classes.

    Attributes:
        scores: `(N, K)`, float32.
        probabilities: `(N, K)`, float32.
        contributions: `(N, L, K)`, float32.
        channels: `(N, M, sum of C_l)`, float32, the part of each channel, first layer first.
        activity: `(N, sum of C_l)`, float32, standard deviations above usual.
        maps: L arrays `(N, M, H_l, W_l)`, float32, the part of each position.
    """

    scores: Floats
    probabilities: Floats
    contributions: Floats
    channels: Floats
    activity: Floats
    maps: tuple[Floats, ...]

    @classmethod
    def joined(cls, pieces: Sequence[Self]) -> Self:
        """Put what was said of several batches one after the other."""
        if len(pieces) == 1:
            return pieces[0]
        layers = zip(*(piece.maps for piece in pieces), strict=True)
        return cls(
            np.concatenate([piece.scores for piece in pieces]),
            np.concatenate([piece.probabilities for piece in pieces]),
            np.concatenate([piece.contributions for piece in pieces]),
            np.concatenate([piece.channels for piece in pieces]),
            np.concatenate([piece.activity for piece in pieces]),
            tuple(np.concatenate(layer) for layer in layers),
        )

    def is_finite(self) -> bool:
        """Tell whether every score is a number: NaN in any layer reaches the scores."""
        return bool(np.isfinite(self.scores).all() and np.isfinite(self.probabilities).all())

    def totals(self) -> Floats:
        """Add the positions up: `(N, M)`, the combinations' scores."""
        total: Floats = np.sum([each.sum(axis=(2, 3), dtype=np.float64) for each in self.maps], 0)
        return total

    def residuals(self, factors: Floats) -> NDArray[np.float64]:
        """Say how far the parts are from the combinations of the scores.

        Args:
            factors: `(N, M, K)`, of each class in each combination, by class.

        Returns:
            `(N, M)`: the greater difference, of positions and of channels, as a fraction of the
            sum of the absolute parts; 0 where there are none.
        """
        wanted = np.einsum("nmk,nk->nm", factors.astype(np.float64), self.scores)
        by_position = [np.abs(each).sum(axis=(2, 3), dtype=np.float64) for each in self.maps]
        size = np.maximum(np.sum(by_position, 0), np.finfo(np.float32).tiny)
        off = np.abs(self.totals() - wanted)
        off_channels = np.abs(self.channels.sum(axis=2, dtype=np.float64) - wanted)
        residuals: NDArray[np.float64] = np.maximum(off, off_channels) / size
        return residuals


def map_name(layer: int) -> str:
    """Name the output of a layer, counted from 1."""
    return f"map_{layer}"


def evidence_of(values: dict[str, NDArray[Any]], layers: int) -> Evidence:
    """Sort a run's arrays by name into the tuple."""
    return Evidence(
        scores=values[SCORES],
        probabilities=values[PROBABILITIES],
        contributions=values[CONTRIBUTIONS],
        channels=values[CHANNELS],
        activity=values[ACTIVITY],
        maps=tuple(values[map_name(layer)] for layer in range(1, layers + 1)),
    )


def feeds(pixels: Pixels, by_class: Floats, by_rank: Floats) -> dict[str, NDArray[Any]]:
    """Name the graph's inputs.

    Args:
        pixels: `(N, H, W, 3)`, uint8.
        by_class: `(N, M, K)`, float32, the factor of each class.
        by_rank: `(N, M, K)`, float32, the factor of the most probable class, the second, ...
    """
    return {INPUT_NAME: pixels, BY_CLASS: by_class, BY_RANK: by_rank}


def run_evidence(
    graph: Graph, pixels: Pixels, by_class: Floats, by_rank: Floats, layers: int
) -> Evidence:
    """Run the graph of so many layers on a batch; the shapes are those of `feeds`."""
    maps = [map_name(layer) for layer in range(1, layers + 1)]
    wanted = [SCORES, PROBABILITIES, CONTRIBUTIONS, CHANNELS, ACTIVITY, *maps]
    return evidence_of(graph(feeds(pixels, by_class, by_rank), wanted), layers)


def check_evidence(evidence: Evidence, factors: Floats, what: str) -> float:
    """Make sure that parts add up.

    Returns:
        The largest residual.

    Raises:
        ContractError: one is over `RESIDUAL_LIMIT`, or no number.
    """
    worst = float(evidence.residuals(factors).max())
    if not worst <= RESIDUAL_LIMIT:
        message = (
            f"the evidence of {what} does not add up to its scores: off by {worst:.3g} of its "
            f"parts, the limit is {RESIDUAL_LIMIT:g}"
        )
        raise ContractError(message)
    return worst


def _float(name: str, shape: tuple[int | str, ...]) -> TensorSpec:
    return TensorSpec(name=name, dtype="float32", shape=shape)
