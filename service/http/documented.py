"""Documents `/predict` and `/explain` for OpenAPI, and forwards requests to their endpoints."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from model.artifact.labels import LABEL_PATTERN, STABLE
from model.artifact.version import NAME_PATTERN, VERSION_PATTERN
from service.http.body import Receive
from service.http.endpoint import Endpoint, Scope, Send
from service.http.examples import PIXEL
from service.http.explain import PNG
from service.http.head import MOST_DIGITS
from service.http.openapi import ANYWHERE, Responses, problems
from service.http.schemas import (
    ExplainOptions,
    ExplainResponse,
    Options,
    PredictResponse,
)

_PROBLEMS = problems(400, 413, 415, 422, 429, 504)
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
    "example": STABLE,
}
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
# `format` is the older way to say it, which more tools know.
_BASE64 = {"type": "string", "format": "byte", "contentEncoding": "base64"}
TIMEOUT_PARAMETER: dict[str, Any] = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "description": "what cannot be run within so many milliseconds is refused with 504",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**MOST_DIGITS - 1},
}
# Where the path names neither a version nor a label.
_VERSION_HEADER: dict[str, Any] = {
    "name": "X-Model-Version",
    "in": "header",
    "required": False,
    "description": "a version or a label; empty, it counts as left out",
    "schema": {
        "type": "string",
        "pattern": f"^({VERSION_PATTERN.pattern}|{LABEL_PATTERN.pattern})?$",
    },
}
KEY_PARAMETER: dict[str, Any] = {
    "name": "X-Routing-Key",
    "in": "header",
    "required": False,
    "description": "while a version is on trial, the same key always gets the same version",
    "schema": {"type": "string"},
}
_OPTIONS: dict[str, Any] = {
    "top_k": {"type": "integer", "minimum": 1},
    "explain": {"type": "boolean"},
    "confidence": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}
_KINDS = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")


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
    router = APIRouter(tags=["Images"], responses=ANYWHERE)

    async def predict(_: Request) -> Response:
        """Classify one or many images; with `explain`, say what each layer contributed.

        With `confidence`, give the set of classes that holds the true one with this probability.
        """
        return Delegated(endpoint)

    body = _body(endpoint.limits.max_images, _OPTIONS)
    extra = {"parameters": _parameters(Options), "requestBody": body}
    _add(router, predict, PredictResponse, _CONFLICT, extra)
    return router


def explain_router(endpoint: Endpoint) -> APIRouter:
    """Make the routes that document `/explain` and forward to its endpoint."""
    router = APIRouter(tags=["Images"], responses=ANYWHERE)
    drawn = {
        "description": "the parts, or the evidence drawn over the image",
        "content": {PNG: {"schema": BINARY}},
        "headers": {
            "X-Model-Version": {
                "description": "of a picture alone: the version that answered",
                "schema": {"type": "string", "pattern": f"^{VERSION_PATTERN.pattern}$"},
            }
        },
    }

    async def explain(_: Request) -> Response:
        """Take the scores of one or many images apart; with Accept: image/png, draw one."""
        return Delegated(endpoint)

    # Its options stand in the query alone.
    body = _body(endpoint.limits.max_images, {})
    extra = {"parameters": _parameters(ExplainOptions), "requestBody": body}
    _add(router, explain, ExplainResponse, {200: drawn, **_CONFLICT}, extra)
    return router


def _add(
    router: APIRouter,
    handler: Callable[[Request], Awaitable[Response]],
    answer: type[BaseModel],
    responses: Responses,
    extra: dict[str, Any],
) -> None:
    """Add a route by the handler's name for the default model, a named one, and one version."""
    answers = {**responses, **_UNKNOWN, **_PROBLEMS}
    open_choice = [_VERSION_HEADER, KEY_PARAMETER]
    for prefix, parameters in (
        ("", open_choice),
        ("/models/{name}", [NAME_PARAMETER, *open_choice]),
        ("/models/{name}/versions/{version}", [NAME_PARAMETER, VERSION_PARAMETER]),
        ("/models/{name}/labels/{label}", [NAME_PARAMETER, LABEL_PARAMETER]),
    ):
        router.add_api_route(
            f"{prefix}/{handler.__name__}",
            handler,
            methods=["POST"],
            response_model=answer,
            responses=answers,
            openapi_extra={**extra, "parameters": [*parameters, *extra["parameters"]]},
        )


def _body(max_images: int, options: dict[str, Any]) -> dict[str, Any]:
    """Document the three ways to send images, two of them with options beside them."""
    few = {"type": "array", "minItems": 1, "maxItems": max_images}
    files = {**few, "items": BINARY, "description": "one or many files, under any field name"}
    texts = {**few, "items": _BASE64, "description": "JPEG, PNG or WebP files, each in base64"}
    form = {"image": files, **options}
    # A field that is null counts as left out.
    members = {"images": texts, **{name: _or_null(each) for name, each in options.items()}}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _object(form, "image")},
            "application/json": {
                "schema": _object(members, "images"),
                "example": {"images": [PIXEL]},
            },
            **{kind: {"schema": BINARY} for kind in _KINDS},
        },
    }


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [required],
        "properties": properties,
        "additionalProperties": False,
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _parameters(options: type[BaseModel]) -> list[dict[str, Any]]:
    """List a model's fields as parts of the query."""
    properties = options.model_json_schema()["properties"]
    return [
        *(_parameter(name, schema) for name, schema in properties.items()),
        TIMEOUT_PARAMETER,
    ]


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe one option; a query has no null: such an option is left out."""
    description = schema.pop("description", None)
    if "anyOf" in schema:
        (schema,) = (each for each in schema["anyOf"] if each["type"] != "null")
    said = {} if description is None else {"description": description}
    return {"name": name, "in": "query", "required": False, "schema": schema, **said}
