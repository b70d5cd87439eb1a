"""The HTTP surface: thin, every decision lies elsewhere."""

from functools import partial
from http import HTTPStatus
from typing import Any, cast

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from model.artifact.image import Pixels, stack
from model.artifact.version import RepositoryError, VersionId
from service.body import merge_options, read_body
from service.decode import Decoded, decode, name_image
from service.errors import PROBLEM_JSON, BusyError, ServiceError
from service.explain import respond
from service.inference import Answers, SizeChangedError
from service.metrics import CONTENT_TYPE
from service.schemas import (
    QUERY,
    REQUEST_BODY,
    Live,
    ModelName,
    Models,
    PredictResponse,
    Problem,
    Ready,
    RefusedVersion,
    VersionInfo,
)
from service.state import Service

router = APIRouter()

_SIZE_CHANGES = 3
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_JSON: {"schema": Problem.model_json_schema()}},
    }
    for status in (400, 408, 413, 415, 422, 503)
}


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


@router.post(
    "/predict",
    response_model=PredictResponse,
    responses=_PROBLEMS,
    openapi_extra={"parameters": QUERY, "requestBody": REQUEST_BODY},
)
async def predict(request: Request) -> Response:
    """Classify one or many images; with `explain`, say what each layer contributed."""
    service = _service(request)
    with service.metrics.request(), service.admission.admit() as take:
        body = await read_body(request, service.body_limits, take)
        options = merge_options(request.query_params, body)
        answers = await _classify(service, body.images)
        answer = respond(answers, options.top_k, explain=options.explain)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


async def _classify(service: Service, images: list[bytes]) -> Answers:
    """Decode and run; once more if a version with another input size came in between."""
    for _ in range(_SIZE_CHANGES):
        pixels = await _decode(service, images)
        try:
            return await service.batcher.submit(pixels)
        except SizeChangedError:
            continue
    raise BusyError("model-changing", "the model's input size keeps changing; try again")


async def _decode(service: Service, images: list[bytes]) -> Pixels:
    """Decode one image after the other, each in its turn among those of other callers."""
    height, width, _ = service.registry.require().shape
    decoded: list[Decoded] = []
    for number, data in enumerate(images, start=1):
        before = sum(each.source_pixels for each in decoded)
        one = partial(decode, data, service.image_limits, height, width, before)
        try:
            decoded.append(await anyio.to_thread.run_sync(one, limiter=service.decode_limiter))
        except ServiceError as error:
            raise name_image(error, number, len(images)) from error
    return stack(each.pixels for each in decoded)


@router.get("/health/live")
async def live() -> Live:
    """Say that the process answers."""
    return Live()


@router.get(
    "/health/ready",
    response_model_exclude_none=True,
    responses={503: {"model": Ready}},
)
async def ready(request: Request, response: Response) -> Ready:
    """Say whether `/predict` answers, by which version, and what was refused since."""
    registry = _service(request).registry
    active, refusal = registry.active, registry.refusal
    if active is None:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    refused = RefusedVersion(version=refusal.version, reason=refusal.reason) if refusal else None
    return Ready(
        status="ready" if active else "not ready",
        model=_name(active.id) if active else None,
        refused=refused,
    )


@router.get("/models", response_model_exclude_none=True)
async def models(request: Request) -> Models:
    """List what the repository holds, and what serves."""
    service = _service(request)
    active = service.registry.active
    versions = await anyio.to_thread.run_sync(_versions, service)
    serving = _name(active.id) if active else None
    return Models(serving=serving, device=service.device, versions=versions)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Give Prometheus its numbers."""
    return Response(_service(request).metrics.render(), media_type=CONTENT_TYPE)


def _name(version: VersionId) -> ModelName:
    return ModelName(name=version.name, version=version.version)


def _versions(service: Service) -> list[VersionInfo]:
    active = service.registry.active
    serving = active.id if active else None
    return [_version(service, version, serving) for version in service.repository.versions()]


def _version(service: Service, version: VersionId, serving: VersionId | None) -> VersionInfo:
    info = VersionInfo(name=version.name, version=version.version, is_active=version == serving)
    try:
        manifest = service.repository.manifest(version)
    except RepositoryError as error:
        return info.model_copy(update={"problem": str(error)})
    return info.model_copy(
        update={
            "labels": list(manifest.labels),
            "image_height": manifest.image_height,
            "image_width": manifest.image_width,
            "accuracy": manifest.accuracy.value,
            "accuracy_n": manifest.accuracy.n,
            "created": manifest.created.isoformat(),
        }
    )
