"""From a body's bytes to image files and options, whichever of three ways it came."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import msgspec

from service.errors import (
    BadRequestError,
    TooLargeError,
    UnprocessableError,
    UnsupportedMediaError,
)
from service.http.multipart import parse_multipart
from service.http.schemas import Options

OPTION_FIELDS = tuple(Options.model_fields)

# What curl --data-binary claims unless it is told otherwise.
_RAW_TYPES = ("", "application/octet-stream", "application/x-www-form-urlencoded")
# Parsing this much takes about a millisecond: longer ones leave the event loop to others.
LARGE_BODY_BYTES = 256 * 1024
_LONGEST_NAME = 50


@dataclass(frozen=True)
class Form:
    """A parsed body: image files as sent, and the options found beside them."""

    images: Sequence[bytes]
    options: dict[str, object] = field(default_factory=dict)


class JsonRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON body.

    Read by msgspec, which stops at the first unknown field: pydantic would build and word
    every one of them, seconds of work for a body of some megabytes.
    """

    images: Annotated[
        list[str], msgspec.Meta(description="JPEG, PNG or WebP files, each in base64")
    ]
    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    explain: bool | str | None = None
    confidence: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None


# Lax, so that "3" is taken as the query takes it. Words such as "yes" are left to `Options`, which
# reads the query's too.
_JSON = msgspec.json.Decoder(JsonRequest, strict=False)


async def parse_form(
    content_type: str, data: bytes, max_images: int, options: Sequence[str] = OPTION_FIELDS
) -> Form:
    """Tell images from options.

    Args:
        content_type: the header's value, parameters included.
        data: the whole body, not empty.
        max_images: in one body.
        options: that may stand in a form; empty: they all stand in the query.

    Raises:
        ClientError: malformed, of another type, no images or too many.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _RAW_TYPES or kind.startswith("image/"):
        return Form([data])
    if kind == "application/json":
        return await _in_turn(_json, data, max_images)
    if kind == "multipart/form-data":
        return await _in_turn(partial(_multipart, content_type, options), data, max_images)
    detail = f"cannot read {kind}; send multipart/form-data, application/json or an image"
    raise UnsupportedMediaError("unsupported-body", detail)


async def _in_turn(parse: Callable[[bytes, int], Form], data: bytes, max_images: int) -> Form:
    """Parse here if that is quick, else in a thread."""
    if len(data) < LARGE_BODY_BYTES:
        return parse(data, max_images)
    return await asyncio.to_thread(parse, data, max_images)


def check_count(found: int, limit: int) -> None:
    """Bound the images of one request.

    Raises:
        ClientError: there are none, or too many.
    """
    if found == 0:
        raise BadRequestError("no-image", "the body holds no image; send at least one")
    if found > limit:
        detail = f"the body holds {found} images, the limit is {limit}; send several requests"
        raise TooLargeError("too-many-images", detail)


def _multipart(content_type: str, options: Sequence[str], data: bytes, max_images: int) -> Form:
    """Tell files from options: a part with a filename is an image."""
    images: list[bytes] = []
    given: dict[str, object] = {}
    for part in parse_multipart(content_type, data, max_images, len(OPTION_FIELDS)):
        if part.is_file:
            images.append(part.content)
        elif part.name in options:
            given[part.name] = part.content.decode(errors="replace")
        else:
            where = f"are: {', '.join(options)}" if options else "stand in the query"
            name = part.name[:_LONGEST_NAME]
            detail = f"unknown field {name!r}; image parts need a filename, options {where}"
            raise UnprocessableError("unknown-field", detail)
    check_count(len(images), max_images)
    return Form(images, given)


def _json(data: bytes, max_images: int) -> Form:
    try:
        parsed = _JSON.decode(data)
    except msgspec.ValidationError as error:
        raise UnprocessableError("bad-field", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"the body is not JSON: {error}"
        raise BadRequestError("malformed-json", detail) from error
    check_count(len(parsed.images), max_images)
    images = [decode_base64(text, number) for number, text in enumerate(parsed.images, start=1)]
    given = {name: getattr(parsed, name) for name in OPTION_FIELDS}
    return Form(images, {name: value for name, value in given.items() if value is not None})


def decode_base64(text: str, number: int) -> bytes:
    """Decode base64, in one line or wrapped, or a `data:` URL of it.

    Raises:
        BadRequestError: it is none; the text names the image by its number.
    """
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        detail = f"image {number} is not base64: {error}"
        raise BadRequestError("malformed-base64", detail) from error
