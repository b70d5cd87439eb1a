"""From a request's body to image files and options, whichever of three ways it came."""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import anyio.to_thread
from pydantic import ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from service.admission import Take
from service.errors import (
    BadRequestError,
    BodyTimeoutError,
    TooLargeError,
    UnprocessableError,
    UnsupportedMediaError,
    describe,
)
from service.schemas import JsonRequest, Options

_OPTION_FIELDS = tuple(Options.model_fields)
# What curl --data-binary claims unless it is told otherwise.
_RAW_TYPES = ("", "application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class BodyLimits:
    """What one body may measure."""

    max_request_bytes: int
    max_images: int
    read_timeout_s: float


@dataclass(frozen=True)
class Body:
    """A parsed body: image files as sent, and the options found beside them."""

    images: list[bytes]
    options: dict[str, object]


class _InMemoryParser(MultiPartParser):
    """Keeps parts in memory: the body's size is limited, and the disk may be read-only."""

    spool_max_size = 2**62
    is_complete = False

    def on_end(self) -> None:
        """Take note of the closing boundary, without which the last part may be lost."""
        self.is_complete = True

    def close(self) -> None:
        """Close every part's file, that of an unfinished part too."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_body(request: Request, limits: BodyLimits, take: Take) -> Body:
    """Read and parse a body.

    Args:
        request: nothing of its body is read yet.
        limits: of this body alone.
        take: hears of every byte that is kept, and may refuse.

    Raises:
        ClientError: too many bytes or images, none at all, too slow, or malformed.
        BusyError: all bodies together hold too many bytes.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await _read_in_time(request, limits, take)
    if not data:
        raise BadRequestError("empty-body", "the body is empty: send an image")
    if kind == "multipart/form-data":
        body = await _multipart(request.headers, data, limits)
    elif kind == "application/json":
        body = await anyio.to_thread.run_sync(_json, data, limits.max_images)
    elif kind in _RAW_TYPES or kind.startswith("image/"):
        body = Body([data], {})
    else:
        detail = f"cannot read {kind}; send multipart/form-data, application/json or an image"
        raise UnsupportedMediaError("unsupported-body", detail)
    _check_count(len(body.images), limits.max_images)
    return body


def merge_options(query: Mapping[str, object], body: Body) -> Options:
    """Lay the body's options over the query's.

    Raises:
        UnprocessableError: one is out of range.
    """
    try:
        return Options.model_validate({**query, **body.options})
    except ValidationError as error:
        raise UnprocessableError("bad-option", describe(error)) from error


async def _read_in_time(request: Request, limits: BodyLimits, take: Take) -> bytes:
    try:
        async with asyncio.timeout(limits.read_timeout_s):
            return await _read(request, limits.max_request_bytes, take)
    except TimeoutError as error:
        detail = f"the body did not come within {limits.read_timeout_s:g} s"
        raise BodyTimeoutError("body-timeout", detail) from error


async def _read(request: Request, limit: int, take: Take) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(int(declared), limit)
    data = bytearray()
    try:
        async for chunk in request.stream():
            take(len(chunk))
            data += chunk
            if len(data) > limit:
                raise _too_large(len(data), limit)
    except ClientDisconnect as error:
        detail = "the connection closed before the body was whole"
        raise BadRequestError("incomplete-body", detail) from error
    return bytes(data)


def _too_large(found: int, limit: int) -> TooLargeError:
    detail = (
        f"the body has {found} bytes or more, the limit is {limit}; send fewer or smaller images"
    )
    return TooLargeError("body-too-large", detail)


def _check_count(found: int, limit: int) -> None:
    if found == 0:
        raise BadRequestError("no-image", "the body holds no image; send at least one")
    if found > limit:
        detail = f"the body holds {found} images, the limit is {limit}; send several requests"
        raise TooLargeError("too-many-images", detail)


async def _multipart(headers: Headers, data: bytes, limits: BodyLimits) -> Body:
    parser = _InMemoryParser(
        headers, _once(data), max_files=limits.max_images, max_fields=len(_OPTION_FIELDS)
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        message = getattr(error, "message", str(error))
        if "Too many files" in message:
            detail = f"the limit is {limits.max_images} images; send several requests"
            raise TooLargeError("too-many-images", detail) from error
        detail = f"the multipart body is malformed: {message}"
        raise BadRequestError("malformed-multipart", detail) from error
    try:
        if not parser.is_complete:
            detail = "the multipart body is malformed: its closing boundary is missing"
            raise BadRequestError("malformed-multipart", detail)
        return await _sort_parts(form)
    finally:
        parser.close()


async def _sort_parts(form: FormData) -> Body:
    """Tell files from options."""
    images: list[bytes] = []
    options: dict[str, object] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            images.append(await value.read())
        elif name in _OPTION_FIELDS:
            options[name] = value
        else:
            known = ", ".join(_OPTION_FIELDS)
            detail = f"unknown field {name!r}; image parts need a filename, options are: {known}"
            raise UnprocessableError("unknown-field", detail)
    return Body(images, options)


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data


def _json(data: bytes, max_images: int) -> Body:
    try:
        parsed = JsonRequest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0] if error.error_count() == 1 else None
        if first is not None and first["type"] == "json_invalid":
            detail = f"the body is not JSON: {first['msg']}"
            raise BadRequestError("malformed-json", detail) from error
        raise UnprocessableError("bad-field", describe(error)) from error
    _check_count(len(parsed.images), max_images)
    images = [_base64(text, number) for number, text in enumerate(parsed.images, start=1)]
    return Body(images, parsed.model_dump(include=set(_OPTION_FIELDS), exclude_none=True))


def _base64(text: str, number: int) -> bytes:
    """Decode base64, in one line or wrapped, or a `data:` URL of it."""
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        detail = f"image {number} is not base64: {error}"
        raise BadRequestError("malformed-base64", detail) from error
