"""What is built of a request before anything of it is known to fit."""

import json
import tracemalloc

import msgspec
import pytest

from service.errors import BadRequestError, UnprocessableError
from service.http.v2.inputs import take_images
from service.http.v2.request import parameter, parse
from service.http.v2.schemas import infer_request_schema
from tests.service.fakes import fake_manifest

MANY = b"[" + b",".join([b"[]"] * 300_000) + b"]"
KEYS = b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}"


def built_bytes(body: bytes, *, take: bool = False) -> int:
    """Give the most memory that reading a body took at once, beside the body."""
    tracemalloc.start()
    try:
        parsed = parse(body, None)
        if take:
            with pytest.raises(UnprocessableError, match="has 1 elements, data has more"):
                take_images(parsed, fake_manifest())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "parameters",
    [b'{"x":%b}' % MANY, b'{"timeout":%b}' % MANY, KEYS],
    ids=["list", "known", "keys"],
)
def test_nothing_is_built_of_parameters(parameters: bytes) -> None:
    """Neither of those nobody knows, nor of a known one of another kind."""
    assert built_bytes(b'{"inputs":[],"parameters":%b}' % parameters) < 10_000


@pytest.mark.parametrize(
    ("before", "element", "after", "most"),
    [
        (b'{"inputs":[', b'{"name":"","shape":[],"datatype":""}', b"]}", 4),
        (b'{"inputs":[],"outputs":[', b'{"name":"","parameters":{}}', b"]}", 16),
        (b'{"inputs":[{"name":"","datatype":"","shape":[', b"0", b"]}]}", 8),
    ],
    ids=["inputs", "outputs", "shape"],
)
def test_nothing_is_built_of_what_is_too_many(
    before: bytes, element: bytes, after: bytes, most: int
) -> None:
    """A list that goes on for ever is refused at the first surplus element."""
    body = before + b",".join([element] * 100_000) + after
    tracemalloc.start()
    try:
        with pytest.raises(UnprocessableError, match=f"of at most length {most}; there may be 4"):
            parse(body, None)
        built = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert built < 50_000


def test_the_description_has_no_references() -> None:
    """Clients that are generated from it may send any parameters."""
    assert "$ref" not in json.dumps(infer_request_schema())


def test_rows_of_texts_are_counted_before_they_are_made() -> None:
    """A million empty rows for one file are refused, as so many numbers are."""
    tensor = b'{"name":"images","shape":[1],"datatype":"BYTES","data":%b}' % MANY

    assert built_bytes(b'{"inputs":[%b]}' % tensor, take=True) < 3 * len(MANY)


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        (MANY, UnprocessableError, "timeout must be int, not list"),
        (b'{"a":1}', UnprocessableError, "timeout must be int, not dict"),
        (b"1e999", UnprocessableError, "timeout: Number out of range"),
        (b'"\xff"', BadRequestError, "is not JSON"),
    ],
)
def test_what_a_parameter_cannot_be_is_said(
    raw: bytes, error: type[Exception], message: str
) -> None:
    """Its name, what it must be and what it is."""
    with pytest.raises(error, match=message):
        parameter({"timeout": msgspec.Raw(raw)}, "timeout", int, 0)
