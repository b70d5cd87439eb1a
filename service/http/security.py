"""Says in the API's description which paths need a key; the rule is that of `Gate`."""

from typing import Any

from fastapi import FastAPI

from service.http.access import Gate, is_admin

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
        schema = plain()  # made once and kept by the framework
        if "securitySchemes" in schema.get("components", {}):
            return schema
        schema.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for path, operations in schema["paths"].items():
            if is_admin(path) or (gate is not None and gate.needs(path)):
                for operation in operations.values():
                    operation["security"] = [{name: []} for name in _SCHEMES]
        return schema

    app.openapi = described  # type: ignore[method-assign]
