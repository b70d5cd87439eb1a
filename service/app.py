"""The composition root: the engine, the HTTP adapters before it, and the life of the process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.device import serving_device
from service.draining import DRAIN
from service.engine import Engine, Placement, build_engine
from service.http.access import Gate, no_path
from service.http.admin.router import admin_router
from service.http.body import BodyLimits, Receive
from service.http.documented import explain_router, predict_router
from service.http.endpoint import TURN_AWAY, Scope, Send
from service.http.explain import ExplainEndpoint
from service.http.models import Fixed, models_router
from service.http.openapi import DocumentedAPI, operation_id
from service.http.page.router import page_router
from service.http.predict import PredictEndpoint
from service.http.problems import add_handlers
from service.http.question import MOST_PARTS
from service.http.request_id import numbered
from service.http.schemas import Limits
from service.http.security import describe_security
from service.http.status import health_router, metrics_router
from service.http.v2.errors import write_error
from service.http.v2.infer import InferEndpoint
from service.http.v2.router import PREFIX as V2
from service.http.v2.router import Served, v2_router
from service.keys.live import live_keys
from service.layout import available_cores, lay_out
from service.logs import configure_logging
from service.metrics import Metrics
from service.predict.admission import Admission
from service.predict.decode import Decode
from service.predict.loading import OpenSession
from service.setting_values import listed
from service.settings import Settings

# What pages of other origins may read; the last one says where the JSON of a binary answer ends.
_EXPOSED = ("X-Request-Id", "Retry-After", "X-Model-Version", "Inference-Header-Content-Length")

# Has an application answer a request, and traces it.
Trace = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class App:
    """The ASGI application: `POST /predict` goes to its endpoint, the rest to the framework.

    Routing and middleware of the framework cost a tenth of what the model takes. `waiting` tells
    how many images wait or run.
    """

    framework: FastAPI
    predict: PredictEndpoint
    origins: tuple[str, ...] = ()
    gate: Gate | None = None
    tracing: Trace | None = None
    waiting: Callable[[], int] = lambda: 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the process."""
        if scope["type"] == "http":
            send = numbered(scope, send)
            if self.tracing is not None and scope["method"] == "POST":
                await self.tracing(self._outermost, scope, receive, send)
                return
        await self._outermost(scope, receive, send)

    @cached_property
    def _outermost(self) -> ASGIApp:
        """What stands before the routes: nothing, unless pages of other origins may ask."""
        if not self.origins:
            return self._route
        return CORSMiddleware(
            self._route,
            allow_origins=self.origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],
            expose_headers=_EXPOSED,
        )

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        refusal = no_path(scope["path"]) if is_http else None
        if refusal is None and self.gate is not None and is_http:
            refusal = self.gate.refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif is_http and scope["path"] == "/predict" and scope["method"] == "POST":
            await self.predict(scope, receive, send)
        else:
            await self.framework(scope, receive, send)


def create_worker_app() -> App:
    """Make the application in a process of its own, by the environment.

    Raises:
        DeviceError: CUDA was asked for and does not work.
        KeysError: the keys cannot be read.
    """
    settings = Settings()
    configure_logging(settings)
    return create_app(settings)


def create_app(
    settings: Settings, open_session: OpenSession | None = None, decode: Decode | None = None
) -> App:
    """Make the application.

    Args:
        settings: of the whole service.
        open_session: opens a model, in place of onnxruntime.
        decode: turns files into pixels, in place of Pillow.

    Raises:
        DeviceError: CUDA was asked for and does not work.
        KeysError: the keys cannot be read.
    """
    keys = live_keys(settings)
    device, metrics = serving_device(settings), Metrics(settings.metrics_folder)
    placement = Placement(device, lay_out(settings, device, available_cores()))
    engine = build_engine(settings, placement, metrics, open_session, decode)
    predict, explain, infer = _endpoints(settings, engine, metrics)
    trace, close_traces = _tracing(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as running:
            if keys is not None:
                await running.enter_async_context(keys.running())
            await running.enter_async_context(engine.running(settings.poll_interval_s))
            if close_traces is not None:
                running.push_async_callback(asyncio.to_thread, close_traces)
            drain = await running.enter_async_context(_grpc(app, settings))
            yield {TURN_AWAY: predict.turn_away, DRAIN: drain}

    framework = DocumentedAPI(
        title="goodserve",
        version=version("goodserve"),
        summary="Forward-Forward image classifiers that show why they decide as they do.",
        lifespan=lifespan,
        docs_url=None,  # the page has its own: FastAPI's loads scripts from a foreign host
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,  # a redirect would lead to the host that the caller names
    )
    framework.include_router(predict_router(predict))
    framework.include_router(explain_router(explain))
    framework.include_router(health_router(engine.lanes, engine.health, engine.watcher))
    fixed = Fixed(device, _limits(settings))
    framework.include_router(
        models_router(engine.repository, engine.lanes, engine.watcher, engine.trials, fixed)
    )
    framework.include_router(metrics_router(metrics))
    served = Served(
        engine.lanes, engine.health, engine.watcher, engine.on_demand, engine.repository, metrics
    )
    framework.include_router(v2_router(served, infer))
    if settings.admin_port is None:
        framework.include_router(admin_router(engine.repository))
    framework.include_router(page_router())
    gate = Gate(keys.ring, metrics.denied, settings.open_metrics) if keys is not None else None
    describe_security(framework, gate)
    add_handlers(framework, {V2: write_error})
    origins = tuple(listed(settings.cors_origins))
    app = App(framework, predict, origins, gate, trace, lambda: engine.lanes.depth)
    return app


def _grpc(app: App, settings: Settings) -> AbstractAsyncContextManager[Callable[[], object] | None]:
    """Listen for gRPC too, where a port is set; grpcio is an extra. Give what begins its end."""
    if settings.grpc_port is None:
        return nullcontext()
    from service.grpc.server import Listening, listening  # noqa: PLC0415  an extra

    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = Listening(
        address=f"{host}:{settings.grpc_port}",
        max_message_bytes=settings.max_request_bytes,
        max_calls=settings.max_concurrent_requests,
        max_bytes=settings.max_bytes_in_flight,
        grace_s=settings.shutdown_grace_s,
        is_shared=(settings.workers or 1) > 1,
        certificate=settings.ssl_certfile,
        key=settings.ssl_keyfile or settings.ssl_certfile,
    )
    return listening(app, where)


def _tracing(settings: Settings) -> tuple[Trace | None, Callable[[], None] | None]:
    """Trace requests, where a collector is named; OpenTelemetry is an extra."""
    if settings.otlp_endpoint is None:
        return None, None
    from service.tracing import Tracing  # noqa: PLC0415  an extra

    tracing = Tracing(settings.otlp_endpoint, settings.otlp_share)
    return tracing.traced, tracing.close


def _limits(settings: Settings) -> Limits:
    return Limits(
        images=settings.max_images_per_request,
        request_bytes=settings.max_request_bytes,
        image_bytes=settings.max_image_bytes,
        image_pixels=settings.max_image_pixels,
        request_pixels=settings.max_request_pixels,
        explanations=MOST_PARTS,
    )


def _endpoints(
    settings: Settings, engine: Engine, metrics: Metrics
) -> tuple[PredictEndpoint, ExplainEndpoint, InferEndpoint]:
    """Make what answers requests with images; they share one admission."""
    admission = Admission(
        max_requests=settings.max_concurrent_requests, max_bytes=settings.max_bytes_in_flight
    )
    limits = BodyLimits(
        max_request_bytes=settings.max_request_bytes,
        max_images=settings.max_images_per_request,
        read_timeout_s=settings.read_timeout_s,
    )
    common = engine.predictor, admission, limits, metrics, settings.familiar_from
    return PredictEndpoint(*common), ExplainEndpoint(*common), InferEndpoint(*common)
