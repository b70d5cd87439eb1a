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
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1


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
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    headers = (
        {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    )
    return JSONResponse(content, status, headers, PROBLEM_JSON)


def add_handlers(app: FastAPI) -> None:
    """Answer every error as problem details, the framework's own included."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> JSONResponse:
        return problem(error.status, error.kind, error.detail)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-option", describe(error.errors()))

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


def describe(errors: Sequence[Any]) -> str:
    """Put pydantic's errors into one line, each with its field and what was wrong."""
    lines = []
    for error in errors:
        where = ".".join(str(part) for part in error["loc"]) or "body"
        lines.append(f"{where}: {error['msg']}")
    return "; ".join(lines)
