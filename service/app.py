"""The composition root: every part of the service is made and joined here."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import FastAPI

from model.artifact.repository import ModelRepository
from model.artifact.runtime import Device, OnnxSession, resolve_device
from service.admission import Admission
from service.batching import Batcher
from service.body import BodyLimits
from service.decode import Limits
from service.errors import add_handlers
from service.inference import batch_runner
from service.metrics import Metrics
from service.registry import Registry, load_version
from service.routes import router
from service.settings import BUNDLED_REPOSITORY, Settings
from service.state import Service
from service.watcher import Watcher

log = logging.getLogger("goodserve")


def create_worker_app() -> FastAPI:
    """Make the application in a process of its own, by the environment.

    Raises:
        DeviceError: CUDA was asked for and does not work.
    """
    settings = Settings()
    configure_logging(settings)
    return create_app(settings)


def configure_logging(settings: Settings) -> None:
    """Log to stderr with time and level, in this process."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def create_app(settings: Settings) -> FastAPI:
    """Make the application.

    Raises:
        DeviceError: CUDA was asked for and does not work.
    """
    device = serving_device(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service, watcher = _build(settings, device)
        app.state.service = service
        await asyncio.to_thread(watcher.look)
        if service.registry.active is None:
            log.warning("%s has no version to serve yet; waiting", settings.repository)
        tasks = [
            asyncio.create_task(service.batcher.serve()),
            asyncio.create_task(watcher.watch(settings.poll_interval_s)),
        ]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    app = FastAPI(
        title="goodserve",
        version=version("goodserve"),
        summary="Forward-Forward image classifiers that show why they decide as they do.",
        lifespan=lifespan,
    )
    app.include_router(router)
    add_handlers(app)
    return app


def serving_device(settings: Settings) -> Device:
    """Find out where to run, with the bundled model as the probe.

    Raises:
        DeviceError: CUDA was asked for and does not work.
    """
    return resolve_device(settings.device, _bundled_model)


def _bundled_model() -> bytes:
    bundled = ModelRepository(BUNDLED_REPOSITORY)
    return bundled.read(bundled.versions()[0]).model


def _build(settings: Settings, device: Device) -> tuple[Service, Watcher]:
    repository = ModelRepository(settings.repository)
    metrics = Metrics(settings.metrics_folder)
    open_session = partial(OnnxSession, device=device, intra_op_threads=settings.intra_op_threads)
    registry = Registry(
        lambda wanted: load_version(repository, wanted, open_session, settings.max_batch_size)
    )
    batcher = Batcher(
        batch_runner(registry, metrics.batch),
        max_batch_size=settings.max_batch_size,
        max_waiting_images=settings.max_waiting_images,
        on_depth=metrics.depth,
    )

    def on_swap(succeeded: bool) -> None:  # noqa: FBT001  a callback
        metrics.swap(registry.active.id if registry.active else None, succeeded=succeeded)

    service = Service(
        repository=repository,
        registry=registry,
        batcher=batcher,
        metrics=metrics,
        admission=Admission(
            max_requests=settings.max_concurrent_requests, max_bytes=settings.max_bytes_in_flight
        ),
        decode_limiter=CapacityLimiter(settings.decode_threads),
        body_limits=BodyLimits(
            max_request_bytes=settings.max_request_bytes,
            max_images=settings.max_images_per_request,
            read_timeout_s=settings.read_timeout_s,
        ),
        image_limits=Limits(
            settings.max_image_bytes, settings.max_image_pixels, settings.max_request_pixels
        ),
        device=device,
    )
    return service, Watcher(repository, registry, on_swap)
