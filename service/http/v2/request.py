"""An inference request: its JSON part, and the bytes of the binary extension behind it."""

from typing import Annotated, Any, NamedTuple, TypedDict

import msgspec

from service.errors import BadRequestError, UnprocessableError
from service.http.endpoint import Scope
from service.http.head import whole_number

JSON_LENGTH_HEADER = b"inference-header-content-length"
# More than any request needs, which has one input of four axes and each output once.
MOST_INPUTS, MOST_OUTPUTS, MOST_AXES = 4, 16, 8


# The parameters that something here reads, each as it came; of others nothing is built.
Parameters = TypedDict(
    "Parameters",
    {
        "binary_data": msgspec.Raw,
        "binary_data_output": msgspec.Raw,
        "binary_data_size": msgspec.Raw,
        "class": msgspec.Raw,
        "classification": msgspec.Raw,
        "content_type": msgspec.Raw,
        "contrast": msgspec.Raw,
        "shared_memory_region": msgspec.Raw,
        "timeout": msgspec.Raw,
    },
    total=False,
)


class InputTensor(msgspec.Struct):
    """One input: its data here, or behind the JSON part where `binary_data_size` is given."""

    name: str
    shape: list[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]
    datatype: str
    parameters: Parameters | None = None
    # Decoded by `inputs`, which knows the datatype and, by the model, how much there may be.
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class OutputAsked(msgspec.Struct):
    """One output that is asked for."""

    name: str
    parameters: Parameters | None = None


class InferRequest(msgspec.Struct):
    """The JSON part; fields and parameters that are unknown are ignored, as the protocol has it."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[OutputAsked] | None = None


class Parsed(NamedTuple):
    """A request as it came.

    Attributes:
        request: the JSON part; None where the whole body is one encoded image.
        tail: what follows the JSON part.
    """

    request: InferRequest | None
    tail: memoryview


def _few(name: str, most: int, element: type) -> Any:  # noqa: ANN401  a type
    """Make the type of an array that is refused at its first surplus element.

    `max_length` is looked at once all of them are built, and there may be millions.
    """
    fields = [(f"element{place}", element, None) for place in range(most)]
    return msgspec.defstruct(name, fields, array_like=True, forbid_unknown_fields=True)


def _counted() -> Any:  # noqa: ANN401  a type
    """Make the type of a request that is only counted: of its elements nothing is built."""
    tensor = msgspec.defstruct("Input", [("shape", _few("Shape", MOST_AXES, msgspec.Raw), None)])
    inputs = _few("Inputs", MOST_INPUTS, tensor)
    outputs = _few("Outputs", MOST_OUTPUTS, msgspec.Raw) | None
    return msgspec.defstruct("Request", [("inputs", inputs, None), ("outputs", outputs, None)])


_COUNTED = msgspec.json.Decoder(_counted())
_JSON = msgspec.json.Decoder(InferRequest)
_MOST = 2**63
_BUILT_OF_MANY = {b"[": "list", b"{": "dict"}


def json_length(scope: Scope) -> int | None:
    """Read the length of the JSON part from the headers; None: the whole body.

    Raises:
        BadRequestError: it is no whole number.
    """
    length = None
    for name, value in scope["headers"]:
        if name == JSON_LENGTH_HEADER:
            length = whole_number(value)
            if length is None:
                detail = "Inference-Header-Content-Length must be a whole number of bytes"
                raise BadRequestError("bad-json-length", detail)
    return length


def parse(data: bytes, length: int | None) -> Parsed:
    """Take a body apart.

    Args:
        data: the whole body, not empty.
        length: of its JSON part; 0: it has none and is one encoded image; None: it has no more.

    Raises:
        ClientError: it is not what the protocol says.
    """
    whole = memoryview(data)
    if length == 0:
        return Parsed(None, whole)
    if length is not None and length > len(data):
        detail = f"Inference-Header-Content-Length is {length}, the body has {len(data)} bytes"
        raise BadRequestError("bad-json-length", detail)
    try:
        _check_few(whole[:length])
        request = _JSON.decode(whole[:length])
    except msgspec.ValidationError as error:
        raise UnprocessableError("bad-field", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"the JSON part is not JSON: {error}"
        raise BadRequestError("malformed-json", detail) from error
    return Parsed(request, whole[length:] if length is not None else whole[:0])


def _check_few(json: memoryview) -> None:
    """Refuse a request with more parts than any needs, before they are built."""
    try:
        _COUNTED.decode(json)
    except msgspec.ValidationError as error:
        most = f"{MOST_INPUTS} inputs of {MOST_AXES} axes and {MOST_OUTPUTS} outputs"
        raise UnprocessableError("bad-field", f"{error}; there may be {most} at most") from error


def parameter(given: Parameters | None, name: str, kind: type, default: Any) -> Any:  # noqa: ANN401
    """Read a parameter of one kind, or its default where it is not given.

    Raises:
        BadRequestError: it is no JSON.
        UnprocessableError: it is of another kind, or a number beyond 64 bits.
    """
    raw: object = None if given is None else given.get(name)
    value = _read(name, raw, kind) if isinstance(raw, msgspec.Raw) else None
    if value is None:
        return default
    if type(value) is not kind:  # True is an int to isinstance
        raise _of_another_kind(name, kind, type(value).__name__)
    if isinstance(value, int) and abs(value) >= _MOST:  # a float may not hold it
        raise UnprocessableError("bad-field", f"{name} is beyond 64 bits")
    return value


def _read(name: str, raw: msgspec.Raw, kind: type) -> Any:  # noqa: ANN401
    text = bytes(raw)
    if text[:1] in _BUILT_OF_MANY:  # not decoded: it may have millions of parts
        raise _of_another_kind(name, kind, _BUILT_OF_MANY[text[:1]])
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError as error:
        raise UnprocessableError("bad-field", f"{name}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"the JSON part is not JSON: {name}: {error}"
        raise BadRequestError("malformed-json", detail) from error


def _of_another_kind(name: str, kind: type, found: str) -> UnprocessableError:
    return UnprocessableError("bad-field", f"{name} must be {kind.__name__}, not {found}")


def timeout_s(request: InferRequest | None, of_header: float | None) -> float | None:
    """Give the caller's deadline in seconds: `timeout` in microseconds, or the header's if less.

    A parameter of 0 is none, as Triton has it.

    Raises:
        UnprocessableError: the parameter is no whole number, or negative.
    """
    given = parameter(request.parameters, "timeout", int, 0) if request is not None else 0
    if given < 0:
        raise UnprocessableError("bad-timeout", f"timeout must be 0 or more, not {given}")
    if given == 0:
        return of_header
    seconds = given / 1e6
    return seconds if of_header is None else min(seconds, of_header)
