"""Every error as RFC 9457 problem details."""

from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from service.errors import ServiceError, TryLaterError
from service.logs import REQUEST_ID

PROBLEM_JSON = "application/problem+json"

_HEADERS = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
    HTTPStatus.REQUEST_TIMEOUT: {
        "Connection": "close"
    },  # a client that stalled once would stall the next request too
}


def problem(status: HTTPStatus, kind: str, detail: str) -> Response:
    """Write problem details; `type` is a URN, for there is no page to point to."""
    content: dict[str, str | int] = {
        "type": f"urn:goodserve:problem:{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": int(status),
        "detail": detail,
    }
    if number := REQUEST_ID.get():
        content["request_id"] = number
    return Response(msgspec.json.encode(content), status, _HEADERS.get(status), PROBLEM_JSON)


def problem_of(error: ServiceError) -> Response:
    """Write an error of ours as problem details."""
    response = problem(error.status, error.kind, error.detail)
    if isinstance(error, TryLaterError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def unexpected() -> Response:
    """Answer a bug of ours, of which the log tells more."""
    detail = "the service failed unexpectedly; its log says why"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail)


def add_handlers(app: FastAPI) -> None:
    """Answer every error as problem details, the framework's own included."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> Response:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        response = problem(status, kind, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, _error: Exception) -> Response:
        return unexpected()
