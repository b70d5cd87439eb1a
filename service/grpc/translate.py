"""Between the protocol's messages and its REST form, with the binary extension: pure functions."""

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from model.artifact.version import RepositoryError, VersionId
from service.errors import BadRequestError, NotFoundError
from service.grpc import inference_pb2 as pb

_LENGTH = struct.Struct("<I")
# What REST has as numbers of one datatype each; others are refused by the datatype.
_NUMBERS = {"UINT8": "uint_contents"}
# Below /v2/models this is no model.
_STATISTICS = "stats"


class Body(NamedTuple):
    """A request's body, and the length of the JSON part that it begins with."""

    json_bytes: int
    data: bytes


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int]


class _Answer(msgspec.Struct):
    model_name: str
    model_version: str
    outputs: list[_Output]
    id: str = ""


def model_path(name: str, version: str, rest: str = "") -> str:
    """Give the path of a model, or of one of its versions.

    Raises:
        NotFoundError: no model can have that name, or no version that number.
    """
    try:
        VersionId(name, version or "1")
    except RepositoryError as error:
        raise NotFoundError("unknown-model", str(error)) from error
    if name == _STATISTICS and not version:
        detail = f"{name!r} stands for the statistics; a model of that name needs its version"
        raise NotFoundError("unknown-model", detail)
    return f"/v2/models/{name}{f'/versions/{version}' if version else ''}{rest}"


def infer_body(request: pb.ModelInferRequest) -> Body:
    """Write an inference request as REST has it, its tensors in binary.

    Raises:
        BadRequestError: tensors are given in both ways, or not each has its bytes.
    """
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        detail = f"{len(request.inputs)} inputs need as many raw_input_contents, not {len(raw)}"
        raise BadRequestError("bad-binary-size", detail)
    if raw and any(each.HasField("contents") for each in request.inputs):
        detail = "contents and raw_input_contents are given; send one of them"
        raise BadRequestError("bad-binary-size", detail)
    binaries = raw or [_packed(each) for each in request.inputs]
    inputs = [
        {
            "name": each.name,
            "datatype": each.datatype,
            "shape": list(each.shape),
            "parameters": {**_parameters(each.parameters), "binary_data_size": len(binary)},
        }
        for each, binary in zip(request.inputs, binaries, strict=True)
    ]
    outputs = [{"name": each.name, "parameters": _of_output(each)} for each in request.outputs]
    content: dict[str, Any] = {
        "id": request.id,
        "parameters": {**_parameters(request.parameters), "binary_data_output": True},
        "inputs": inputs,
        "outputs": outputs,
    }
    head = msgspec.json.encode(content)
    return Body(len(head), b"".join([head, *binaries]))


def infer_response(json_bytes: int, body: bytes) -> pb.ModelInferResponse:
    """Read the answer to an inference request, of which every output is in binary."""
    answer = msgspec.json.decode(body[:json_bytes], type=_Answer)
    response = pb.ModelInferResponse(
        model_name=answer.model_name, model_version=answer.model_version, id=answer.id
    )
    place = json_bytes
    for each in answer.outputs:
        response.outputs.add(name=each.name, datatype=each.datatype, shape=each.shape)
        size = each.parameters["binary_data_size"]
        response.raw_output_contents.append(body[place : place + size])
        place += size
    return response


def _packed(tensor: pb.InferInputTensor) -> bytes:
    """Put a tensor's contents into bytes, as the binary extension has them.

    Raises:
        BadRequestError: the contents are of another datatype, or out of its range.
    """
    contents = tensor.contents
    given = {field.name for field, _ in contents.ListFields()}
    wanted = "bytes_contents" if tensor.datatype == "BYTES" else _NUMBERS.get(tensor.datatype)
    if wanted is not None and given - {wanted}:
        detail = f"{tensor.datatype[:20]} takes {wanted}, not {', '.join(sorted(given))}"
        raise BadRequestError("bad-binary-size", detail)
    if wanted == "bytes_contents":
        return b"".join(_LENGTH.pack(len(each)) + each for each in contents.bytes_contents)
    numbers = np.array(contents.uint_contents, np.uint32)
    if numbers.size and numbers.max() > np.iinfo(np.uint8).max:
        detail = f"data of UINT8 must be from 0 to 255, not {numbers.max()}"
        raise BadRequestError("bad-binary-size", detail)
    return numbers.astype(np.uint8).tobytes()


def _of_output(asked: pb.InferRequestedOutputTensor) -> dict[str, Any]:
    """Read what is chosen for an output, which comes in binary here whatever is asked."""
    return {k: value for k, value in _parameters(asked.parameters).items() if k != "binary_data"}


def _parameters(given: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    """Read parameters; one that holds nothing is left out."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = value.WhichOneof("parameter_choice")
        if kind is not None:
            found[name] = getattr(value, kind)
    return found
