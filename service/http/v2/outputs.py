"""From answers to output tensors: which there are, what is asked for, and how they are written."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.artifact.manifest import Manifest
from model.artifact.outputs import CONTRIBUTIONS, FAMILIARITY, PROBABILITIES, SCORES
from model.artifact.version import VersionId
from service.errors import UnprocessableError
from service.http.endpoint import Answer
from service.http.v2.request import InferRequest, Parameters, parameter

LABELS, EVIDENCE = "labels", "evidence"
FLOATS, TEXTS = "FP32", "BYTES"
_LENGTH = struct.Struct("<I")
_LONGEST_NAME = 50
# Writing this many numbers as JSON takes about a millisecond.
_LARGE_ANSWER_NUMBERS = 5000
_IN_BINARY: Parameters = {"binary_data_output": msgspec.Raw(b"true")}

Tensor = NDArray[np.float32] | NDArray[np.object_]


class Kind(NamedTuple):
    """One output that clients may ask for.

    Attributes:
        datatype: as the protocol names it.
        axes: gives the axes behind the batch's.
        by_default: whether it is given where a request names no outputs.
        is_there: whether a version has it.
        parameters: what may be chosen for it, beside what holds for every output.
    """

    datatype: str
    axes: Callable[[Manifest], tuple[int, ...]]
    by_default: bool = True
    is_there: Callable[[Manifest], bool] = lambda _: True
    parameters: tuple[str, ...] = ()


CLASS, CONTRAST, CLASSIFICATION = "class", "contrast", "classification"

# Explanations are given to those who name them: only then are they computed.
KINDS: Mapping[str, Kind] = {
    LABELS: Kind(TEXTS, lambda _: ()),
    PROBABILITIES: Kind(FLOATS, lambda m: (len(m.labels),), parameters=(CLASSIFICATION,)),
    SCORES: Kind(FLOATS, lambda m: (len(m.labels),), parameters=(CLASSIFICATION,)),
    FAMILIARITY: Kind(FLOATS, lambda _: (), is_there=lambda m: m.familiarity is not None),
    CONTRIBUTIONS: Kind(FLOATS, lambda m: (len(m.layers), len(m.labels)), by_default=False),
    EVIDENCE: Kind(
        FLOATS,
        lambda m: (m.image_height, m.image_width),
        by_default=False,
        is_there=lambda m: m.evidence is not None,
        parameters=(CLASS, CONTRAST),
    ),
}


class Asked(NamedTuple):
    """One output of one request.

    Attributes:
        name: of the output.
        is_binary: whether it follows the JSON part.
        classes: of the classification extension: how many to give; None: the numbers themselves.
        parameters: as given.
    """

    name: str
    is_binary: bool
    classes: int | None = None
    parameters: Parameters | None = None


def outputs_of(manifest: Manifest) -> dict[str, Kind]:
    """Name the outputs that a version has."""
    return {name: kind for name, kind in KINDS.items() if kind.is_there(manifest)}


def outputs_asked(request: InferRequest | None, manifest: Manifest) -> list[Asked]:
    """Say what a request asks of a version.

    Raises:
        UnprocessableError: an output is unknown, or named twice, or a parameter is wrong.
    """
    kinds = outputs_of(manifest)
    if request is None or not request.outputs:
        given = request.parameters if request is not None else _IN_BINARY
        is_binary = parameter(given, "binary_data_output", bool, False)  # noqa: FBT003
        return [Asked(name, is_binary) for name, kind in kinds.items() if kind.by_default]
    is_binary = parameter(request.parameters, "binary_data_output", bool, False)  # noqa: FBT003
    asked: dict[str, Asked] = {}
    for each in request.outputs:
        name, given = each.name, each.parameters
        if name not in kinds:
            known = ", ".join(kinds)
            raise UnprocessableError(
                "bad-field", f"there is no output {name[:_LONGEST_NAME]!r}; there are {known}"
            )
        if name in asked:
            raise UnprocessableError("bad-field", f"the output {name!r} is asked for twice")
        own = parameter(given, "binary_data", bool, is_binary)
        asked[name] = Asked(name, own, _classes(name, given), given)
    return list(asked.values())


def _classes(name: str, given: Parameters | None) -> int | None:
    classes: int | None = parameter(given, CLASSIFICATION, int, None)
    if classes is None:
        return None
    if CLASSIFICATION not in KINDS[name].parameters:
        able = " and ".join(
            each for each, kind in KINDS.items() if CLASSIFICATION in kind.parameters
        )
        raise UnprocessableError(
            "bad-field", f"the output {name!r} is no classification; {able} are"
        )
    if classes < 1:
        raise UnprocessableError("bad-field", f"classification must be 1 or more, not {classes}")
    return classes


def classified(values: NDArray[np.float32], count: int, labels: Sequence[str]) -> Tensor:
    """Word the highest values as `value:index:label`, the first of equal ones first.

    Args:
        values: `(N, K)`, float32.
        count: classes to give; at most all K.
        labels: K of them.

    Returns:
        `(N, count)` texts.
    """
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    rows = [
        [f"{row[k]!s}:{k}:{labels[k]}" for k in places.tolist()]
        for row, places in zip(values, order, strict=True)
    ]
    return np.array(rows, dtype=object)


class Response(NamedTuple):
    """What goes out.

    Attributes:
        version: that answered.
        id: of the request, given back.
        tensors: each output that was asked for, in that order.
    """

    version: VersionId
    id: str | None
    tensors: list[tuple[Asked, Tensor]]

    def is_large(self) -> bool:
        """Tell whether writing takes so long that the event loop should not do it."""
        in_json = (tensor.size for asked, tensor in self.tensors if not asked.is_binary)
        return sum(in_json) > _LARGE_ANSWER_NUMBERS


def write(response: Response) -> Answer:
    """Write a response: JSON, and behind it the outputs that are asked for in binary."""
    outputs: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for asked, tensor in response.tensors:
        is_text = tensor.dtype == object
        output: dict[str, Any] = {
            "name": asked.name,
            "datatype": TEXTS if is_text else FLOATS,
            "shape": list(tensor.shape),
        }
        if asked.is_binary:
            data = _text_bytes(tensor) if is_text else tensor.astype("<f4").tobytes()
            output["parameters"] = {"binary_data_size": len(data)}
            behind.append(data)
        else:
            output["data"] = tensor.ravel().tolist()
        outputs.append(output)
    head = {"model_name": response.version.name, "model_version": response.version.version}
    named = {} if response.id is None else {"id": response.id}
    json = msgspec.json.encode({**head, **named, "outputs": outputs})
    if not behind:
        return Answer(json)
    length = (b"inference-header-content-length", str(len(json)).encode())
    return Answer(b"".join([json, *behind]), b"application/octet-stream", (length,))


def _text_bytes(texts: Tensor) -> bytes:
    encoded = [str(text).encode() for text in texts.ravel().tolist()]
    return b"".join(_LENGTH.pack(len(each)) + each for each in encoded)
