"""Documents `/predict` and `/explain` for OpenAPI, and forwards requests to their endpoints."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from model.artifact.labels import LABEL_PATTERN
from model.artifact.version import NAME_PATTERN, VERSION_PATTERN
from service.http.body import Receive
from service.http.endpoint import Endpoint, Scope, Send
from service.http.explain import PNG
from service.http.form import JsonRequest
from service.http.problems import PROBLEM_JSON
from service.http.schemas import (
    ExplainOptions,
    ExplainResponse,
    Options,
    PredictResponse,
    Problem,
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document problem details for each status."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": Problem.model_json_schema()}},
        }
        for status in statuses
    }


_PROBLEMS = problems(400, 408, 413, 415, 422, 429, 500, 503, 504)
_CONFLICT, _UNKNOWN = problems(409), problems(404)
NAME_PARAMETER: dict[str, Any] = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "of a model, whose active version answers",
    "schema": {"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"},
}
VERSION_PARAMETER: dict[str, Any] = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "that answers, whether it is active or not",
    "schema": {"type": "string", "pattern": f"^{VERSION_PATTERN.pattern}$"},
}
LABEL_PARAMETER: dict[str, Any] = {
    "name": "label",
    "in": "path",
    "required": True,
    "description": "that names the version which answers: stable, canary, or one that was set",
    "schema": {"type": "string", "pattern": f"^{LABEL_PATTERN.pattern}$"},
}
_FORMS = ("multipart/form-data", "application/json")
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
TIMEOUT_PARAMETER: dict[str, Any] = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "description": "what cannot be run within so many milliseconds is refused with 504",
    "schema": {"type": "integer", "minimum": 0},
}
_CHOICE_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "X-Model-Version",
        "in": "header",
        "required": False,
        "description": "a version or a label, where the path names none",
        "schema": {"type": "string"},
    },
    {
        "name": "X-Routing-Key",
        "in": "header",
        "required": False,
        "description": "while a version is on trial, the same key always gets the same version",
        "schema": {"type": "string"},
    },
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
                        "items": BINARY,
                        "description": "one or many files, under any field name",
                    },
                    "top_k": {"type": "integer", "minimum": 1},
                    "explain": {"type": "boolean"},
                    "confidence": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                },
            }
        },
        "application/json": {"schema": _JSON_SCHEMA},
        "image/jpeg": {"schema": BINARY},
        "image/png": {"schema": BINARY},
        "image/webp": {"schema": BINARY},
        "application/octet-stream": {"schema": BINARY},
    },
}
# The same without options, which stand in the query.
_IMAGES_ALONE: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {"image": {"type": "array", "items": BINARY}},
            }
        },
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "properties": {"images": _JSON_SCHEMA["properties"]["images"]},
            }
        },
        **{kind: body for kind, body in _REQUEST_BODY["content"].items() if kind not in _FORMS},
    },
}


class Delegated(Response):
    """A response that lets a plain ASGI application answer."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Let this endpoint answer."""
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._endpoint(scope, receive, send)


def predict_router(endpoint: Endpoint) -> APIRouter:
    """Make the routes that document `/predict` and forward to its endpoint."""
    router = APIRouter()

    async def predict(_: Request) -> Response:
        """Classify one or many images; with `explain`, say what each layer contributed.

        With `confidence`, give the set of classes that holds the true one with this probability.
        """
        return Delegated(endpoint)

    extra = {"parameters": _parameters(Options), "requestBody": _REQUEST_BODY}
    _add(router, predict, PredictResponse, _CONFLICT, extra)
    return router


def explain_router(endpoint: Endpoint) -> APIRouter:
    """Make the routes that document `/explain` and forward to its endpoint."""
    router = APIRouter()
    picture = {"description": "the evidence, drawn over the image", "content": {PNG: {}}}

    async def explain(_: Request) -> Response:
        """Take the scores of one or many images apart; with Accept: image/png, draw one."""
        return Delegated(endpoint)

    extra = {"parameters": _parameters(ExplainOptions), "requestBody": _IMAGES_ALONE}
    _add(router, explain, ExplainResponse, {200: picture, **_CONFLICT}, extra)
    return router


def _add(
    router: APIRouter,
    handler: Callable[[Request], Awaitable[Response]],
    answer: type[BaseModel],
    responses: dict[int | str, dict[str, Any]],
    extra: dict[str, Any],
) -> None:
    """Add a route by the handler's name for the default model, a named one, and one version."""
    named = {**responses, **_CONFLICT, **_UNKNOWN, **_PROBLEMS}
    for prefix, answers, parameters in (
        ("", {**responses, **_UNKNOWN, **_PROBLEMS}, []),
        ("/models/{name}", named, [NAME_PARAMETER]),
        ("/models/{name}/versions/{version}", named, [NAME_PARAMETER, VERSION_PARAMETER]),
        ("/models/{name}/labels/{label}", named, [NAME_PARAMETER, LABEL_PARAMETER]),
    ):
        router.add_api_route(
            f"{prefix}/{handler.__name__}",
            handler,
            methods=["POST"],
            response_model=answer,
            responses=answers,
            openapi_extra={**extra, "parameters": [*parameters, *extra["parameters"]]},
        )


def _parameters(options: type[BaseModel]) -> list[dict[str, Any]]:
    """List a model's fields as parts of the query."""
    properties = options.model_json_schema()["properties"]
    return [
        *(
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in properties.items()
        ),
        TIMEOUT_PARAMETER,
        *_CHOICE_PARAMETERS,
    ]
