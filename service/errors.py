"""What can keep the service from answering, in one tree that knows no framework.

ServiceError
├── ClientError                 the caller can fix it
│   ├── BadRequestError             400
│   ├── UnauthorizedError           401
│   ├── ForbiddenError              403
│   ├── NotFoundError               404
│   ├── BodyTimeoutError            408
│   ├── ConflictError               409
│   ├── TooLargeError               413
│   ├── UnsupportedMediaError       415
│   └── UnprocessableError          422
├── TryLaterError               with Retry-After
│   ├── BusyError                   429
│   └── NotReadyError               503
├── DeadlineError               504, the caller's own deadline cannot be met
└── OurFaultError               500
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

from pydantic import ValidationError

_MOST_LISTED = 100
_MOST_WORDED = 5
_LONGEST_NAME = 50


class ServiceError(Exception):
    """A request that gets no answer; `kind` names the reason for programs, the text for people."""

    status: ClassVar[HTTPStatus]

    def __init__(self, kind: str, detail: str) -> None:
        """Keep the problem's kind, in kebab case, and what was wrong, limit and remedy."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class ClientError(ServiceError):
    """The caller can fix it."""


class BadRequestError(ClientError):
    """The body is not what it claims to be."""

    status = HTTPStatus.BAD_REQUEST


class UnauthorizedError(ClientError):
    """Nobody knows who asks."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(ClientError):
    """Whoever asks may not have this."""

    status = HTTPStatus.FORBIDDEN


class NotFoundError(ClientError):
    """There is no such model."""

    status = HTTPStatus.NOT_FOUND


class BodyTimeoutError(ClientError):
    """The body did not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class ConflictError(ClientError):
    """The version that answers cannot do what is asked."""

    status = HTTPStatus.CONFLICT


class TooLargeError(ClientError):
    """A limit is exceeded: bytes, pixels or images."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaError(ClientError):
    """The body or the image is of a type that is not taken."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnprocessableError(ClientError):
    """The body parses, but a field or option is out of range."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TryLaterError(ServiceError):
    """The same request may succeed later.

    Attributes:
        retry_after_s: whole seconds after which it may.
    """

    def __init__(self, kind: str, detail: str, retry_after_s: int = 1) -> None:
        """Keep what was wrong, and when to come again."""
        super().__init__(kind, detail)
        self.retry_after_s = retry_after_s


class BusyError(TryLaterError):
    """Too much waits already."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class NotReadyError(TryLaterError):
    """Nothing can answer now: no model is loaded, or the service is shutting down."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class DeadlineError(ServiceError):
    """The caller's own deadline cannot be met, or has passed."""

    status = HTTPStatus.GATEWAY_TIMEOUT


class OurFaultError(ServiceError):
    """The service failed; the log says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


def describe(error: ValidationError, whole: str = "body") -> str:
    """Put pydantic's errors into one line, each with its field, or `whole`, and what was wrong.

    Only the first few are worded, and none of very many: wording them costs far more time and
    memory than finding them.
    """
    count = error.error_count()
    if count > _MOST_LISTED:
        return f"{count} fields are wrong or unknown"
    found = error.errors(include_input=False, include_url=False, include_context=False)
    lines = [
        f"{_place(each['loc']) or whole}: {each['msg'].removeprefix('Value error, ')}"
        for each in found[:_MOST_WORDED]
    ]
    more = [f"and {count - _MOST_WORDED} more"] if count > _MOST_WORDED else []
    return "; ".join([*lines, *more])


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part)[:_LONGEST_NAME] for part in location)
