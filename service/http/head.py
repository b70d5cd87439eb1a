"""What a request's headers say; a value has no blanks around it here."""

from collections.abc import Iterable
from typing import NamedTuple

from service.errors import UnprocessableError, UnsupportedMediaError

VERSION_HEADER = b"x-model-version"
_TYPE, _LENGTH, _ENCODING = b"content-type", b"content-length", b"content-encoding"
_ACCEPT = b"accept"
_TIMEOUT, _KEY = b"x-request-timeout-ms", b"x-routing-key"
_COUNTED = {_TYPE, _LENGTH, _ENCODING, _ACCEPT, _TIMEOUT, VERSION_HEADER, _KEY}
# Several lines of these are one.
_LISTS = {_ACCEPT, _ENCODING}
_PLAIN = {b"", b"identity"}
_LONGEST_NAME = 20
# Python itself refuses to read thousands, and a float holds no more.
MOST_DIGITS = 15


class Head(NamedTuple):
    """The headers that count.

    Attributes:
        content_type: with its parameters; empty where it is not said.
        declared: bytes of the body.
        timeout_s: seconds that the caller will wait.
        accept: the media types that the caller takes, of all such headers.
        version: a version or a label.
        key: of the caller, for trials.
    """

    content_type: str
    declared: int | None
    timeout_s: float | None
    accept: str
    version: str | None = None
    key: bytes | None = None


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """Pick the headers that count; an empty one counts as left out.

    Raises:
        UnprocessableError: the timeout is no whole number of milliseconds.
        UnsupportedMediaError: the body is compressed.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _COUNTED and value:
            is_more = name in _LISTS and name in found
            found[name] = found[name] + b"," + value if is_more else value
    _check_plain(found.get(_ENCODING, b""))
    version = found.get(VERSION_HEADER)
    return Head(
        content_type=found.get(_TYPE, b"").decode("latin-1"),
        declared=whole_number(found.get(_LENGTH, b"")),
        timeout_s=_timeout_s(found.get(_TIMEOUT)),
        accept=found.get(_ACCEPT, b"").decode("latin-1"),
        version=None if version is None else version.decode("latin-1"),
        key=found.get(_KEY),
    )


def whole_number(value: bytes) -> int | None:
    """Read a number without a sign, of few digits; None: it is none."""
    return int(value) if value.isdigit() and len(value) <= MOST_DIGITS else None


def _check_plain(encodings: bytes) -> None:
    # What is unpacked here would have no limit of its own.
    for each in encodings.lower().split(b","):
        if (name := each.strip()) not in _PLAIN:
            shown = name[:_LONGEST_NAME].decode("latin-1")
            detail = f"the body is {shown!r}; send it without compression"
            raise UnsupportedMediaError("unsupported-encoding", detail)


def _timeout_s(given: bytes | None) -> float | None:
    if given is None:
        return None
    milliseconds = whole_number(given)
    if milliseconds is None:
        detail = (
            "X-Request-Timeout-Ms must be a whole number of milliseconds, of at most "
            f"{MOST_DIGITS} digits"
        )
        raise UnprocessableError("bad-timeout", detail)
    return milliseconds / 1000
