"""The OpenAPI document: what the framework finds, and how every error is worded."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from service.http.examples import EXPLAIN_ANSWER, PREDICT_ANSWER, PROBLEMS
from service.http.problems import PROBLEM_JSON
from service.http.schemas import ExplainResponse, PredictResponse, Problem

Responses = dict[int | str, dict[str, Any]]

_SCHEMAS = "#/components/schemas/{model}"
_METHODS = ("get", "post", "put", "patch", "delete")
_EXAMPLES = {
    PredictResponse.__name__: PREDICT_ANSWER,
    ExplainResponse.__name__: EXPLAIN_ANSWER,
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds after which to come again",
        "schema": {"type": "integer", "minimum": 1},
    }
}
REQUEST_ID = {
    "description": "the request's own, or one that was made for it",
    "schema": {"type": "string"},
}


def problems(*statuses: int) -> Responses:
    """Document problem details for each status, all by the one schema, each with an example."""
    return {status: _problem(HTTPStatus(status)) for status in statuses}


def _problem(status: HTTPStatus) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _SCHEMAS.format(model=Problem.__name__)}}
    if example := PROBLEMS.get(status):
        content["example"] = example
    described: dict[str, Any] = {
        "description": status.phrase,
        "content": {PROBLEM_JSON: content},
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        described["headers"] = _RETRY_AFTER
    return described


# What any path may answer: a failure of ours, and what is refused before the path is known.
ANYWHERE = problems(408, 431, 500, 503)


def operation_id(route: APIRoute) -> str:
    """Name an operation, as generated clients will: `predict`, `predict_version`, `v2_infer`."""
    protocol = "v2_" if route.path.startswith("/v2") else ""
    for part in ("label", "version", "name"):
        if f"{{{part}}}" in route.path:
            return f"{protocol}{route.name}_{'model' if part == 'name' else part}"
    return protocol + route.name


class DocumentedAPI(FastAPI):
    """An application whose document has what its routes cannot say by themselves.

    HEAD is answered on every route that GET is.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the process."""
        # The server leaves the body out: it looks at its own scope. Routes of both methods would
        # stand twice in the document.
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Give the document: with problem details, examples, and the header of every answer."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            schemas[Problem.__name__] = Problem.model_json_schema(ref_template=_SCHEMAS)
            # Not by the routes: the framework would drop what is null in them.
            for model, example in _EXAMPLES.items():
                if model in schemas:  # the admin port has neither
                    schemas[model]["examples"] = [example]
            for operations in document["paths"].values():
                for method in _METHODS:
                    for response in operations.get(method, {}).get("responses", {}).values():
                        headers = {"X-Request-Id": REQUEST_ID, **response.get("headers", {})}
                        response["headers"] = headers
        assert self.openapi_schema is not None  # noqa: S101  made above
        return self.openapi_schema
