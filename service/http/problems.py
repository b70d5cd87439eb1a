"""Every error as RFC 9457 problem details."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.errors import ServiceError, TryLaterError, UnprocessableError
from service.logs import REQUEST_ID

PROBLEM_JSON = "application/problem+json"

# Words an error: status, kind and detail.
Write = Callable[[HTTPStatus, str, str], Response]

_MOST_WORDED = 5
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="goodserve"'},
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
    return Response(msgspec.json.encode(content), status, extra_headers(status), PROBLEM_JSON)


def extra_headers(status: HTTPStatus) -> dict[str, str] | None:
    """Give the headers that an error of this status carries, however it is worded."""
    return _HEADERS.get(status)


def problem_of(error: ServiceError, write: Write = problem) -> Response:
    """Write an error of ours, by default as problem details."""
    response = write(error.status, error.kind, error.detail)
    if isinstance(error, TryLaterError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def unexpected(write: Write = problem) -> Response:
    """Answer a bug of ours, of which the log tells more."""
    detail = "the service failed unexpectedly; its log says why"
    return write(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", detail)


def add_handlers(app: FastAPI, forms: Mapping[str, Write]) -> None:
    """Answer every error, the framework's own included.

    Args:
        app: whose errors they are.
        forms: how errors are worded below a first part of the path; elsewhere as problem details.
    """

    def form(request: Request) -> Write:
        return forms.get(request.url.path.split("/", 2)[1], problem)

    @app.exception_handler(ServiceError)
    async def _service(request: Request, error: ServiceError) -> Response:
        return problem_of(error, form(request))

    @app.exception_handler(RequestValidationError)
    async def _query(request: Request, error: RequestValidationError) -> Response:
        parts = [f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors()]
        found = UnprocessableError("bad-option", "; ".join(parts[:_MOST_WORDED]))
        return problem_of(found, form(request))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        response = form(request)(status, kind, str(error.detail))
        response.headers.update(error.headers or {})
        if response.headers.get("Allow") == "GET":
            response.headers["Allow"] = "GET, HEAD"  # `DocumentedAPI` answers it
        return response

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, _error: Exception) -> Response:
        return unexpected(form(request))
