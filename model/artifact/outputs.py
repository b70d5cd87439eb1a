"""What a graph may give: one table of outputs, and the named tuple that carries them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model.artifact.image import Pixels

INPUT_NAME = "images"
SCORES, PROBABILITIES, CONTRIBUTIONS = "scores", "probabilities", "contributions"
# Optional: (N,), how much an image is like those that the network learned from.
FAMILIARITY = "familiarity"
# Of those sessions that may stop early, in `Outputs.optional`: (N,), int64, the layers that ran.
LAYERS_USED = "layers_used"
BATCH_AXIS = "N"

Scores = NDArray[np.float32]
Shape = tuple[int | str, ...]
# More than any output here has: an optional output that a later goodserve adds must not keep
# this one from reading the manifest.
DType = Literal["uint8", "float32", "float16", "int8", "int32", "int64", "bool"]


class ContractError(Exception):
    """A model is not what its manifest or the contract says; the message tells where.

    ContractError
    ├── AnswersError  its answers to the golden inputs are not those that it was exported with
    └── FloorError    it is less accurate than the version before it, by more than is allowed
    """


class AnswersError(ContractError):
    """The answers to the golden inputs are not those that the model was exported with."""


class FloorError(ContractError):
    """A version is less accurate than the one before it, by more than is allowed."""


class Frozen(BaseModel):
    """A part of a manifest: immutable, without unknown fields, without NaN or infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )


class TensorSpec(Frozen):
    """One input or output of a graph.

    Attributes:
        name: in the graph.
        dtype: of its elements.
        shape: its axes, `"N"` being the batch.
        required: whether a reader that does not know this output must refuse the model.
    """

    name: str
    dtype: DType
    shape: Shape
    required: bool = True


class OutputKind(NamedTuple):
    """One row of the table of outputs.

    Attributes:
        shape: gives the shape from the number of layers L and of classes K.
        required: whether every version must have this output.
        dtype: of its elements.
    """

    shape: Callable[[int, int], Shape]
    required: bool
    dtype: DType = "float32"


OutputTable = Mapping[str, OutputKind]

# An optional output is a new row here, and nothing else: a version without it
# stays valid, one that has it carries it in `Outputs.optional`.
OUTPUTS: OutputTable = {
    SCORES: OutputKind(lambda _l, k: (BATCH_AXIS, k), required=True),
    PROBABILITIES: OutputKind(lambda _l, k: (BATCH_AXIS, k), required=True),
    CONTRIBUTIONS: OutputKind(lambda l, k: (BATCH_AXIS, l, k), required=True),  # noqa: E741
    FAMILIARITY: OutputKind(lambda _l, _k: (BATCH_AXIS,), required=False),
}


class Outputs(NamedTuple):
    """What one run gave for N images; an output that was not asked for is None.

    Attributes:
        scores: `(N, K)`, float32.
        probabilities: `(N, K)`, float32, each row sums to 1.
        contributions: `(N, L, K)`, float32, which summed over L are the scores.
        optional: the optional outputs that were asked for, by name, N rows each.
    """

    scores: Scores
    probabilities: Scores
    contributions: Scores | None = None
    optional: Mapping[str, NDArray[Any]] = {}

    @classmethod
    def named(cls, values: Mapping[str, NDArray[Any]]) -> Self:
        """Sort a run's arrays by name into the tuple."""
        optional = {name: array for name, array in values.items() if name not in cls._fields}
        contributions = values.get(CONTRIBUTIONS)
        return cls(values[SCORES], values[PROBABILITIES], contributions, optional)

    def rows(self, start: int, stop: int) -> Self:
        """Cut out the answers to the images `start` to `stop`."""
        parts = None if self.contributions is None else self.contributions[start:stop]
        optional = {name: array[start:stop] for name, array in self.optional.items()}
        return type(self)(self.scores[start:stop], self.probabilities[start:stop], parts, optional)

    @classmethod
    def joined(cls, pieces: Sequence[Self]) -> Self:
        """Put the answers to several batches, with the same outputs, one after the other."""
        contributions = [piece.contributions for piece in pieces if piece.contributions is not None]
        return cls(
            np.concatenate([piece.scores for piece in pieces]),
            np.concatenate([piece.probabilities for piece in pieces]),
            np.concatenate(contributions) if contributions else None,
            {
                name: np.concatenate([piece.optional[name] for piece in pieces])
                for name in pieces[0].optional
            },
        )

    def are_finite(self) -> bool:
        """Tell whether every score is a number: NaN in any layer reaches the scores."""
        return bool(np.isfinite(self.scores).all() and np.isfinite(self.probabilities).all())


class Session(Protocol):
    """Runs one graph: what callers of a loaded model may rely on."""

    def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        """Classify `(N, H, W, 3)` uint8 pixels, computing only the outputs in `wanted`."""


class Stage(Protocol):
    """Runs one part of a network; the shape of a loaded part."""

    def __call__(self, array: NDArray[Any], /) -> Mapping[str, NDArray[Any]]:
        """Run a batch; give every output by its name."""


class Graph(Protocol):
    """Runs a further graph of a version, of several inputs."""

    def __call__(
        self, feeds: Mapping[str, NDArray[Any]], wanted: Sequence[str], /
    ) -> dict[str, NDArray[Any]]:
        """Run a batch; give the wanted outputs by name."""


def input_spec(height: int, width: int) -> TensorSpec:
    """Describe the input: raw RGB pixels."""
    return TensorSpec(name=INPUT_NAME, dtype="uint8", shape=(BATCH_AXIS, height, width, 3))


def output_specs(
    num_layers: int, num_classes: int, table: OutputTable = OUTPUTS
) -> tuple[TensorSpec, ...]:
    """Describe the outputs that every version must have."""
    return tuple(
        output_spec(name, num_layers, num_classes, table)
        for name, kind in table.items()
        if kind.required
    )


def output_spec(
    name: str, num_layers: int, num_classes: int, table: OutputTable = OUTPUTS
) -> TensorSpec:
    """Describe one output of the table."""
    kind = table[name]
    shape = kind.shape(num_layers, num_classes)
    return TensorSpec(name=name, dtype=kind.dtype, shape=shape, required=kind.required)


def check_outputs(
    found: Sequence[TensorSpec], num_layers: int, num_classes: int, table: OutputTable = OUTPUTS
) -> None:
    """Hold a manifest's outputs against the table.

    Raises:
        ContractError: one that is required is missing, unknown here, or of another shape or
            dtype; an optional one that is unknown here is left alone.
    """
    by_name = {spec.name: spec for spec in found}
    if len(by_name) != len(found):
        message = "the outputs' names are not unique"
        raise ContractError(message)
    for name, kind in table.items():
        if kind.required and name not in by_name:
            message = f"the required output {name!r} is missing"
            raise ContractError(message)
    for name, spec in by_name.items():
        if name in table:
            _check_output(spec, output_spec(name, num_layers, num_classes, table))
        elif spec.required:
            message = (
                f"the output {name!r} is required and unknown to this version of goodserve; "
                "upgrade goodserve, or export the model anew"
            )
            raise ContractError(message)


def known_outputs(found: Sequence[TensorSpec], table: OutputTable = OUTPUTS) -> tuple[str, ...]:
    """Name the outputs that can be asked for: those of a manifest that the table knows."""
    return tuple(spec.name for spec in found if spec.name in table)


def _check_output(found: TensorSpec, expected: TensorSpec) -> None:
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        message = (
            f"the output {found.name!r} must be {expected.dtype} {expected.shape}, "
            f"not {found.dtype} {found.shape}"
        )
        raise ContractError(message)
