"""Documents `/predict` for OpenAPI, and forwards what `service.app` did not send to it directly."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from service.http.body import Receive
from service.http.form import JsonRequest
from service.http.predict import PredictEndpoint, Scope, Send
from service.http.problems import PROBLEM_JSON
from service.http.schemas import Options, PredictResponse, Problem

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_JSON: {"schema": Problem.model_json_schema()}},
    }
    for status in (400, 408, 413, 415, 422, 429, 500, 503, 504)
}
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_QUERY: list[dict[str, Any]] = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in Options.model_json_schema()["properties"].items()
] + [
    {
        "name": "X-Request-Timeout-Ms",
        "in": "header",
        "required": False,
        "description": "what cannot be run within so many milliseconds is refused with 504",
        "schema": {"type": "integer", "minimum": 0},
    }
]
_JSON_SCHEMA = msgspec.json.schema_components((JsonRequest,))[1]["JsonRequest"]
_REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {
                        "type": "array",
                        "items": _BINARY,
                        "description": "one or many files, under any field name",
                    },
                    "top_k": {"type": "integer", "minimum": 1},
                    "explain": {"type": "boolean"},
                },
            }
        },
        "application/json": {"schema": _JSON_SCHEMA},
        "image/jpeg": {"schema": _BINARY},
        "image/png": {"schema": _BINARY},
        "image/webp": {"schema": _BINARY},
        "application/octet-stream": {"schema": _BINARY},
    },
}


class _Delegated(Response):
    """A response that lets a plain ASGI application answer."""

    def __init__(self, endpoint: PredictEndpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(scope, receive, send)


def predict_router(endpoint: PredictEndpoint) -> APIRouter:
    """Make the route that documents `/predict` and forwards to its endpoint."""
    router = APIRouter()

    @router.post(
        "/predict",
        response_model=PredictResponse,
        responses=_PROBLEMS,
        openapi_extra={"parameters": _QUERY, "requestBody": _REQUEST_BODY},
    )
    async def predict(_: Request) -> Response:
        """Classify one or many images; with `explain`, say what each layer contributed."""
        return _Delegated(endpoint)

    return router
