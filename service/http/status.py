"""What serves and how it fares: health, models, metrics."""

import asyncio
from collections.abc import Collection
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.http.openapi import ANYWHERE
from service.http.schemas import (
    Limits,
    Live,
    ModelName,
    Models,
    Ready,
    RefusedVersion,
    VersionInfo,
)
from service.metrics import CONTENT_TYPE, Metrics
from service.predict.health import Health
from service.predict.lanes import Lanes
from service.predict.watcher import Watcher


def health_router(lanes: Lanes, health: Health, watcher: Watcher) -> APIRouter:
    """Make the routes for those who watch over the process."""
    router = APIRouter(tags=["Service"], responses=ANYWHERE)

    @router.get("/health/live")
    async def live() -> Live:
        """Say that the process answers."""
        return Live()

    @router.get(
        "/health/ready", response_model_exclude_none=True, responses={503: {"model": Ready}}
    )
    async def ready(response: Response) -> Ready:
        """Say whether `/predict` answers, by which version, and what was refused since."""
        active, refusal, trouble = lanes.active, watcher.refusal, health.trouble()
        if trouble is not None:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        refused = (
            RefusedVersion(version=refusal.version, reason=refusal.reason) if refusal else None
        )
        return Ready(
            status="ready" if trouble is None else "not ready",
            model=_name(active.id) if active else None,
            refused=refused,
            trouble=trouble if active else None,
        )

    return router


def models_router(
    repository: ModelRepository, lanes: Lanes, device: str, limits: Limits
) -> APIRouter:
    """Make the route that lists the versions."""
    router = APIRouter(tags=["Service"], responses=ANYWHERE)

    @router.get("/models", response_model_exclude_none=True)
    async def models() -> Models:
        """List what the repository holds, and what serves."""
        serving, default = lanes.serving, lanes.active.id if lanes.active else None
        versions = await asyncio.to_thread(_versions, repository, serving)
        return Models(
            serving=_name(default) if default else None,
            loaded=[_name(each) for each in serving],
            device=device,
            limits=limits,
            versions=versions,
        )

    return router


def metrics_router(metrics: Metrics) -> APIRouter:
    """Make the route that Prometheus reads."""
    router = APIRouter(tags=["Service"], responses=ANYWHERE)

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics_text() -> Response:
        """Give Prometheus its numbers."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router


def _name(version: VersionId) -> ModelName:
    return ModelName(name=version.name, version=version.version)


def _versions(repository: ModelRepository, serving: Collection[VersionId]) -> list[VersionInfo]:
    """Describe every version; active is what answers, or will when its model is first named."""
    try:
        state = repository.state()
    except RepositoryError:
        state = None  # what serves goes on serving, and readiness says why
    loaded = {version.name for version in serving}
    cold = [v for v in state.versions if v.name not in loaded] if state is not None else []
    return [_version(repository, each, {*serving, *cold}) for each in repository.versions()]


def _version(
    repository: ModelRepository, version: VersionId, active: Collection[VersionId]
) -> VersionInfo:
    info = VersionInfo(name=version.name, version=version.version, is_active=version in active)
    try:
        manifest = repository.manifest(version)
    except RepositoryError as error:
        return info.model_copy(update={"problem": str(error)})
    accuracy = manifest.accuracy
    return info.model_copy(
        update={
            "labels": list(manifest.labels),
            "image_height": manifest.image_height,
            "image_width": manifest.image_width,
            "accuracy": accuracy.value if accuracy else None,
            "accuracy_n": accuracy.n if accuracy else None,
            "created": manifest.created.isoformat(),
        }
    )
