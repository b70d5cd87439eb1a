"""What the service answers when it cannot answer, as RFC 9457 problem details.

ServiceError
├── ClientError                 the caller can fix it
│   ├── BadRequestError             400
│   ├── BodyTimeoutError            408
│   ├── TooLargeError               413
│   ├── UnsupportedMediaError       415
│   └── UnprocessableError          422
├── TryLaterError               503, with Retry-After
│   ├── BusyError
│   └── NotReadyError
└── OurFaultError               500
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1

_HEADERS = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_S)},
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},  # who stalled once would again
}
_MOST_LISTED = 100
_MOST_WORDED = 5
_LONGEST_NAME = 50


class ServiceError(Exception):
    """An answer other than 200; `kind` names it for programs, the message for people."""

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


class BodyTimeoutError(ClientError):
    """The body did not come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


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
    """The same request may succeed later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class BusyError(TryLaterError):
    """Too much waits already."""


class NotReadyError(TryLaterError):
    """No model is loaded."""


class OurFaultError(ServiceError):
    """The service failed; the log says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


def problem(status: HTTPStatus, kind: str, detail: str) -> JSONResponse:
    """Write problem details; `type` is a URN, for there is no page to point to."""
    content = {
        "type": f"urn:goodserve:problem:{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": int(status),
        "detail": detail,
    }
    return JSONResponse(content, status, _HEADERS.get(status), PROBLEM_JSON)


def add_handlers(app: FastAPI) -> None:
    """Answer every error as problem details, the framework's own included."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> JSONResponse:
        return problem(error.status, error.kind, error.detail)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        response = problem(status, kind, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, _error: Exception) -> JSONResponse:
        detail = "the service failed unexpectedly; its log says why"
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail)


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
