"""The routes below `/v2`; what a name means is decided by `OnDemand` and `choose()`."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.errors import UnprocessableError, describe
from service.http import audit
from service.http.body import BodyLimits, read_body
from service.http.documented import (
    BINARY,
    KEY_PARAMETER,
    NAME_PARAMETER,
    TIMEOUT_PARAMETER,
    VERSION_PARAMETER,
    Delegated,
)
from service.http.endpoint import Endpoint, model_of
from service.http.head import read_head
from service.http.v2.metadata import model_metadata, server_metadata
from service.http.v2.repository import NOT_LOADED, READY, check_unload, described, index
from service.http.v2.schemas import (
    Error,
    IndexEntry,
    IndexRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ModelStatistics,
    ServerLive,
    ServerMetadata,
    ServerReady,
    Statistics,
    infer_request_schema,
)
from service.metrics import Metrics
from service.predict.health import Health
from service.predict.lanes import Lanes, Wanted
from service.predict.on_demand import OnDemand
from service.predict.watcher import Watcher

PREFIX = "v2"
_MODEL = "/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
# Of requests that hold no images; they pass no admission.
_SMALL = BodyLimits(max_request_bytes=64 * 1024, max_images=0, read_timeout_s=5)
Responses = dict[int | str, dict[str, Any]]
_ERRORS: Responses = {
    status: {"model": Error, "description": HTTPStatus(status).phrase}
    for status in (400, 404, 408, 409, 413, 429, 500, 503, 504)
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": infer_request_schema()},
        "application/octet-stream": {"schema": BINARY},
    },
}


_NAMES: dict[str, dict[str, Any]] = {
    _MODEL: {"parameters": [NAME_PARAMETER]},
    _VERSION: {"parameters": [NAME_PARAMETER, VERSION_PARAMETER]},
}
# Whoever names a version is not drawn for a trial.
_CHOICE: dict[str, list[dict[str, Any]]] = {_MODEL: [KEY_PARAMETER], _VERSION: []}
_INFER: dict[str, dict[str, Any]] = {
    path: {
        "parameters": [*extra["parameters"], *_CHOICE[path], TIMEOUT_PARAMETER],
        "requestBody": _BODY,
    }
    for path, extra in _NAMES.items()
}


@dataclass(frozen=True)
class Served:
    """What the protocol's routes read."""

    lanes: Lanes
    health: Health
    watcher: Watcher
    on_demand: OnDemand
    repository: ModelRepository
    metrics: Metrics

    async def find(self, wanted: Wanted) -> VersionId:
        """Say which version a path means: the one that is loaded, or else a published one.

        Raises:
            NotFoundError: there is no such model, or no such version of it.
        """
        lane = self.lanes.of(wanted)
        if lane is not None:
            return lane.id
        assert wanted.name is not None  # noqa: S101  every path with a model has its name
        version, _ = await asyncio.to_thread(self.on_demand.find, wanted.name, wanted.version)
        return version


def v2_router(served: Served, infer: Endpoint) -> APIRouter:
    """Make the routes of the protocol."""
    router = APIRouter(tags=["Open Inference Protocol V2"])
    router.include_router(_health_router(served))
    # Before the models' own routes, which would take "stats" for a name.
    router.include_router(_statistics_router(served))
    router.include_router(_model_router(served, infer))
    router.include_router(_repository_router(served))
    return router


def _health_router(served: Served) -> APIRouter:
    router = APIRouter(prefix=f"/{PREFIX}")

    @router.get("")
    @router.get("/", include_in_schema=False)  # the protocol's two documents differ in this
    async def server() -> ServerMetadata:
        """Say what this server is, and which extensions it has."""
        return server_metadata()

    @router.get("/health/live")
    async def live() -> ServerLive:
        """Say that the process answers."""
        return ServerLive()

    @router.get(
        "/health/ready", response_model_exclude_none=True, responses={503: {"model": ServerReady}}
    )
    async def ready(response: Response) -> ServerReady:
        """Say whether inference requests are answered."""
        trouble = served.health.trouble()
        if trouble is not None:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return ServerReady(ready=trouble is None, error=trouble)

    return router


def _model_router(served: Served, endpoint: Endpoint) -> APIRouter:
    router = APIRouter(prefix=f"/{PREFIX}")
    errors: Responses = {status: _ERRORS[status] for status in (404, 409, 503)}

    for path, names in _NAMES.items():

        @router.get(path, responses=errors, openapi_extra=names)
        async def metadata(request: Request) -> ModelMetadata:
            """Say what a model takes and gives."""
            wanted = model_of(request.path_params)
            lane = served.lanes.of(wanted)
            version = await served.find(wanted)
            loaded = None if lane is None else lane.version.manifest
            found = await asyncio.to_thread(described, served.repository, version, loaded)
            return model_metadata(version.name, *found)

        @router.get(
            path + "/ready",
            response_model_exclude_none=True,
            responses=errors,
            openapi_extra=names,
        )
        async def ready(request: Request, response: Response) -> ModelReady:
            """Say whether a model answers without being loaded first."""
            wanted = model_of(request.path_params)
            lane = served.lanes.of(wanted)
            version = await served.find(wanted)
            trouble = NOT_LOADED if lane is None else lane.trouble()
            if trouble is not None:
                response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return ModelReady(name=version.name, ready=trouble is None, error=trouble)

        @router.post(
            path + "/infer",
            response_model=InferResponse,
            responses=_ERRORS,
            openapi_extra=_INFER[path],
        )
        async def infer(_: Request) -> Response:
            """Classify images."""
            return Delegated(endpoint)

    return router


def _statistics_router(served: Served) -> APIRouter:
    router = APIRouter(prefix=f"/{PREFIX}")
    unknown: Responses = {404: _ERRORS[404]}

    @router.get("/models/stats")
    async def stats() -> Statistics:
        """Count what was asked of every version since the service started."""
        return await counted(Wanted())

    @router.get(_MODEL + "/stats", responses=unknown, openapi_extra=_NAMES[_MODEL])
    @router.get(_VERSION + "/stats", responses=unknown, openapi_extra=_NAMES[_VERSION])
    async def stats_of(request: Request) -> Statistics:
        """Count what was asked of one model since the service started."""
        wanted = model_of(request.path_params)
        await served.find(wanted)
        return await counted(wanted)

    async def counted(wanted: Wanted) -> Statistics:
        runs = await asyncio.to_thread(served.metrics.runs)
        for lane in served.lanes.open:
            runs.setdefault(lane.id, (0, 0))
        stats = [
            ModelStatistics(
                name=each.name, version=each.version, inference_count=images, execution_count=count
            )
            for each, (images, count) in sorted(runs.items(), key=lambda item: str(item[0]))
            if wanted.name in (None, each.name) and wanted.version in (None, each.version)
        ]
        return Statistics(model_stats=stats)

    return router


def _repository_router(served: Served) -> APIRouter:
    router = APIRouter(prefix=f"/{PREFIX}/repository")
    errors: Responses = {status: _ERRORS[status] for status in (400, 404, 409, 503)}
    forbidden: Responses = {403: {"model": Error, "description": HTTPStatus.FORBIDDEN.phrase}}
    repository = served.repository

    @router.post("/index", responses={status: _ERRORS[status] for status in (400, 503)})
    async def repository_index(request: Request) -> list[IndexEntry]:
        """List what is published; with `ready`, only what answers."""
        wanted = _index_request(await _small_body(request))
        troubles = {lane.id: lane.trouble() for lane in served.lanes.open}
        refused = {each.version: each.reason for each in served.watcher.refusals.values()}
        entries = await asyncio.to_thread(index, repository, troubles, refused)
        return [each for each in entries if not wanted.ready or each.state == READY]

    @router.post(_MODEL + "/load", responses=errors, openapi_extra=_NAMES[_MODEL])
    async def load(request: Request) -> dict[str, str]:
        """Load a model's active version, as the first request that names it would."""
        await _small_body(request)
        with audit.noted(request.scope, "load", request.path_params["name"]):
            await served.on_demand.ensure(model_of(request.path_params))
        return {}

    @router.post(
        _MODEL + "/unload", responses={**errors, **forbidden}, openapi_extra=_NAMES[_MODEL]
    )
    async def unload(request: Request) -> dict[str, str]:
        """Say that a model is not loaded; one that is stays so, for clients may not change that."""
        await _small_body(request)
        name = request.path_params["name"]
        is_loaded = any(lane.id.name == name for lane in served.lanes.open)
        await asyncio.to_thread(check_unload, repository, name, is_loaded=is_loaded)
        return {}

    return router


async def _small_body(request: Request) -> bytes:
    declared = read_head(request.scope["headers"]).declared
    return await read_body(request.receive, declared, _SMALL, lambda _size: None, required=False)


def _index_request(body: bytes) -> IndexRequest:
    try:
        return IndexRequest.model_validate_json(body) if body else IndexRequest()
    except ValidationError as error:
        raise UnprocessableError("bad-field", describe(error)) from error
