"""Errors as the protocol words them: `{"error": "..."}`."""

from http import HTTPStatus

import msgspec
from fastapi import Response

from service.http.problems import extra_headers

# The protocol knows one status for a request that is wrong.
_STATUSES = {
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.BAD_REQUEST,
}


def write_error(status: HTTPStatus, _kind: str, detail: str) -> Response:
    """Word an error for the protocol's clients."""
    content = msgspec.json.encode({"error": detail})
    return Response(
        content, _STATUSES.get(status, status), extra_headers(status), "application/json"
    )
