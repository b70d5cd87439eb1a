"""What serves and how it fares: health, metrics."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from service.http.openapi import ANYWHERE
from service.http.schemas import (
    Live,
    ModelName,
    Ready,
    RefusedVersion,
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
            model=ModelName.of(active.id) if active else None,
            refused=refused,
            trouble=trouble if active else None,
        )

    return router


class Scrapes:
    """Renders the metrics in a thread, once for all who ask meanwhile.

    Eight models take 56 ms: on the event loop, strangers who ask often would stall the answers.
    """

    def __init__(self, metrics: Metrics) -> None:
        """Render these."""
        self._metrics = metrics
        self._running: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """Give Prometheus' text as of now, or of the rendering that is under way."""
        if self._running is None or self._running.done():
            self._metrics.refresh()  # here: it reads what the event loop changes
            self._running = asyncio.create_task(asyncio.to_thread(self._metrics.text))
        return await asyncio.shield(self._running)  # one who hangs up leaves it to the others


def metrics_router(metrics: Metrics) -> APIRouter:
    """Make the route that Prometheus reads."""
    router = APIRouter(tags=["Service"], responses=ANYWHERE)
    scrapes = Scrapes(metrics)

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics_text() -> Response:
        """Give Prometheus its numbers."""
        return Response(await scrapes.text(), media_type=CONTENT_TYPE)

    return router
