"""Says in the API's description which paths need a key; the rule is that of `Gate`."""

from typing import Any

from fastapi import FastAPI

from service.http.access import Gate, is_admin
from service.http.openapi import REQUEST_ID, problems

_PROTOCOLS_ERROR = "#/components/schemas/Error"
_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "a key, made by goodserve keys new",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same"},
}


def describe_security(app: FastAPI, gate: Gate | None) -> None:
    """Add to `openapi.json` which operations need a key.

    Args:
        app: whose description it is.
        gate: stands before it; None: there are no keys, and only the admin endpoints need one.
    """
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()  # made once and kept by the framework
        if "securitySchemes" in document["components"]:
            return document
        document["components"]["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            if is_admin(path) or (gate is not None and gate.needs(path)):
                refusals = _refusals(of_protocol=path.startswith("/v2"))
                for operation in operations.values():
                    operation["security"] = [{name: []} for name in _SCHEMES]
                    operation["responses"] = {**refusals, **operation["responses"]}
        return document

    app.openapi = described  # type: ignore[method-assign]


def _refusals(*, of_protocol: bool) -> dict[str, Any]:
    """Document what a request gets that is turned away; the protocol words it in its own way."""
    found = {str(status): {**each} for status, each in problems(401, 403).items()}
    for each in found.values():
        each["headers"] = {"X-Request-Id": REQUEST_ID}
        if of_protocol:
            each["content"] = {"application/json": {"schema": {"$ref": _PROTOCOLS_ERROR}}}
    return found
