"""From the input tensor to images: pixels that go to the batch as they are, or encoded files."""

import struct
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import numpy as np

from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import INPUT_NAME
from service.errors import BadRequestError, UnprocessableError
from service.http.form import check_count, decode_base64
from service.http.v2.request import InferRequest, InputTensor, Parsed, parameter
from service.predict.batch import Images

PIXELS, FILES = "UINT8", "BYTES"
BASE64 = "base64"
_LONGEST_NAME = 50
_LONGEST_INDENT = 100
_MOST_AXES = 8

T = TypeVar("T")

_LENGTH = struct.Struct("<I")
_FLAT = msgspec.json.Decoder(list[int])
_NESTED = msgspec.json.Decoder(list[list[list[list[int]]]])
_TEXTS = msgspec.json.Decoder(list[str])
_TEXT_ROWS = msgspec.json.Decoder(list[list[str]])


def count_images(parsed: Parsed, max_images: int) -> int:
    """Say how many images a request claims to hold, which `take_images` makes sure of.

    Raises:
        ClientError: it has not the one input, or no images, or too many.
    """
    if parsed.request is None:
        return 1
    tensor = only_input(parsed.request)
    if not tensor.shape:
        raise UnprocessableError(
            "bad-field",
            f"the input {INPUT_NAME!r} needs a shape that begins with the number of images",
        )
    check_count(tensor.shape[0], max_images)
    return tensor.shape[0]


def only_input(request: InferRequest) -> InputTensor:
    """Give the one input.

    Raises:
        UnprocessableError: there are more, or it has another name.
    """
    if len(request.inputs) != 1:
        raise UnprocessableError(
            "bad-field", f"there must be one input, {INPUT_NAME!r}, not {len(request.inputs)}"
        )
    tensor = request.inputs[0]
    if tensor.name != INPUT_NAME:
        name = tensor.name[:_LONGEST_NAME]
        raise UnprocessableError(
            "bad-field", f"there is no input {name!r}; the one input is {INPUT_NAME!r}"
        )
    return tensor


def take_images(parsed: Parsed, manifest: Manifest) -> Images:
    """Take the images out of a request.

    Args:
        parsed: that passed `count_images`.
        manifest: of the version that will answer.

    Returns:
        Pixels `(N, H, W, 3)` uint8, or N encoded files.

    Raises:
        ClientError: datatype, shape, sizes and data do not fit each other or the model.
    """
    if parsed.request is None:
        return [bytes(parsed.tail)]
    tensor = only_input(parsed.request)
    if tensor.datatype == PIXELS:
        return _pixels(tensor, parsed.tail, manifest)
    if tensor.datatype == FILES:
        return _files(tensor, parsed.tail)
    found = f"{tensor.datatype[:_LONGEST_NAME]} {_worded(tensor.shape)}"
    raise UnprocessableError(
        "bad-field", f"the input {INPUT_NAME!r} takes {_takes(manifest)}, not {found}"
    )


def _pixels(tensor: InputTensor, tail: memoryview, manifest: Manifest) -> Pixels:
    shape = (tensor.shape[0], manifest.image_height, manifest.image_width, 3)
    if tuple(tensor.shape) != shape:
        found = f"{PIXELS} {_worded(tensor.shape)}"
        raise UnprocessableError(
            "bad-field", f"the input {INPUT_NAME!r} takes {_takes(manifest)}, not {found}"
        )
    size = int(np.prod(shape))
    binary = _binary(tensor, tail)
    if binary is not None:
        if len(binary) != size:
            detail = f"{PIXELS} {_worded(tensor.shape)} has {size} bytes, not {len(binary)}"
            raise BadRequestError("bad-binary-size", detail)
        return np.frombuffer(binary, np.uint8).reshape(shape)
    data = _data(tensor)
    # A leaf less than commas, however deep: bounds the list before it is made.
    leaves = data.count(b",") + 1
    if leaves != size:
        raise UnprocessableError(
            "bad-field", f"{PIXELS} {_worded(tensor.shape)} has {size} numbers, data has {leaves}"
        )
    numbers: Any = _decoded(_NESTED, data) if _is_nested(data) else _decoded(_FLAT, data)
    detail = f"data of {PIXELS} {_worded(tensor.shape)} must be from 0 to 255, flat or nested"
    try:
        pixels = np.array(numbers, dtype=np.uint8)
    except (OverflowError, ValueError) as error:  # out of range, or of uneven rows
        raise UnprocessableError("bad-field", detail) from error
    if pixels.shape not in ((size,), shape):
        raise UnprocessableError("bad-field", detail)
    return pixels.reshape(shape)


def _files(tensor: InputTensor, tail: memoryview) -> list[bytes]:
    count = tensor.shape[0]
    if tensor.shape not in ([count], [count, 1]):
        raise UnprocessableError(
            "bad-field", f"{FILES} takes the shape [{count}], not {_worded(tensor.shape)}"
        )
    binary = _binary(tensor, tail)
    if binary is None:
        return [decode_base64(text, number) for number, text in enumerate(_texts(tensor), start=1)]
    files = list(_elements(binary, count))
    if parameter(tensor.parameters, "content_type", str, None) == BASE64:
        texts = (file.decode("latin-1") for file in files)
        return [decode_base64(text, number) for number, text in enumerate(texts, start=1)]
    return files


def _texts(tensor: InputTensor) -> list[str]:
    data = _data(tensor)
    detail = f"{FILES} {_worded(tensor.shape)} has {tensor.shape[0]} elements"
    # One behind each element, one in a `data:` URL: bounds the lists before they are made.
    if data.count(b",") > 2 * tensor.shape[0]:
        raise UnprocessableError("bad-field", f"{detail}, data has more")
    if _is_nested(data):
        rows = _decoded(_TEXT_ROWS, data)
        texts = [text for row in rows for text in row]
    else:
        texts = _decoded(_TEXTS, data)
    if len(texts) != tensor.shape[0]:
        raise UnprocessableError("bad-field", f"{detail}, data has {len(texts)}")
    return texts


def _elements(binary: memoryview, count: int) -> Iterator[bytes]:
    """Take elements apart, each after its length in four bytes, least significant first."""
    place = 0
    for number in range(1, count + 1):
        start = place + _LENGTH.size
        length = _LENGTH.unpack_from(binary, place)[0] if start <= len(binary) else 0
        place = start + length
        if place > len(binary):
            detail = f"element {number} of {count} ends {place - len(binary)} bytes behind the data"
            raise BadRequestError("bad-binary-size", detail)
        yield bytes(binary[start:place])
    if place != len(binary):
        detail = f"{len(binary) - place} bytes follow the {count} elements"
        raise BadRequestError("bad-binary-size", detail)


def _binary(tensor: InputTensor, tail: memoryview) -> memoryview | None:
    """Give the bytes behind the JSON part; None where the data is in it."""
    size = parameter(tensor.parameters, "binary_data_size", int, None)
    if (size or 0) != len(tail):
        detail = f"binary_data_size is {size}, {len(tail)} bytes follow the JSON part"
        raise BadRequestError("bad-binary-size", detail)
    if size is not None and not _is_missing(tensor.data):
        raise UnprocessableError(
            "bad-field", f"the input {INPUT_NAME!r} has data and binary_data_size; send one of them"
        )
    return None if size is None else tail


def _is_missing(data: msgspec.Raw) -> bool:
    return bytes(memoryview(data)[:5]) in (b"", b"null")


def _data(tensor: InputTensor) -> bytes:
    if _is_missing(tensor.data):
        extra = tensor.parameters or {}
        memory = "; shared memory is not taken" if "shared_memory_region" in extra else ""
        raise UnprocessableError(
            "bad-field", f"the input {INPUT_NAME!r} has neither data nor binary_data_size{memory}"
        )
    return bytes(tensor.data)


def _is_nested(data: bytes) -> bool:
    """Tell whether the first element of a JSON array is an array."""
    return data[:_LONGEST_INDENT].lstrip()[1:].lstrip()[:1] == b"["


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise UnprocessableError("bad-field", f"data: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"data is not JSON: {error}"
        raise BadRequestError("malformed-json", detail) from error


def _takes(manifest: Manifest) -> str:
    height, width = manifest.image_height, manifest.image_width
    return f"{PIXELS} [N, {height}, {width}, 3] or {FILES} [N]"


def _worded(shape: list[int]) -> str:
    axes = [str(axis)[:_LONGEST_NAME] for axis in shape[:_MOST_AXES]]
    more = ", ..." if len(shape) > _MOST_AXES else ""
    return f"[{', '.join(axes)}{more}]"
