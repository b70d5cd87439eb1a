"""Repositories and applications for the service's tests."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import uvicorn
from starlette.types import ASGIApp

from model.artifact.image import Pixels
from model.artifact.outputs import Scores
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.app import App, create_app
from service.draining import DrainingServer
from service.http.protocol import BoundedProtocol
from service.settings import Settings
from tests.service.fakes import FakeSession
from tests.trained import SmallModel

NAMES = ["scores", "probabilities", "contributions"]


def filled_repository(root: Path, small_models: Sequence[SmallModel]) -> ModelRepository:
    """Publish every model as `colours`, and activate the first."""
    repository = ModelRepository(root)
    for small in small_models:
        repository.publish("colours", *small.published)
    repository.activate(VersionId("colours", "1"))
    return repository


def app_on(root: Path, **settings: Any) -> App:
    """Make an application on a repository, looking for swaps twenty times a second."""
    given = {"repository": root, "device": "cpu", "poll_interval_s": 0.05, **settings}
    return create_app(Settings(**given))


def fake_app_on(root: Path, *, session: FakeSession | None = None, **settings: Any) -> App:
    """Make an application on a repository of fakes; everything else in it is real."""
    given = {"repository": root, "device": "cpu", "poll_interval_s": 0.05, **settings}
    return create_app(Settings(**given), lambda _model, _threads: session or FakeSession())


@contextmanager
def server_of(
    app: ASGIApp, protocol: type[BoundedProtocol] = BoundedProtocol
) -> Iterator[tuple[uvicorn.Server, int]]:
    """Run a server of an application on a free port, and give both; wait for its end."""
    server = DrainingServer(uvicorn.Config(app, port=0, log_level="warning", http=protocol))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def served(
    app: ASGIApp, protocol: type[BoundedProtocol] = BoundedProtocol
) -> Iterator[httpx.Client]:
    """Serve an application for real, on a free port, and give a client for it."""
    with (
        server_of(app, protocol) as (_, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield client


def scores_alone(model: bytes, pixels: Pixels) -> Scores:
    """Say what a model gives for each image alone: `(N, K)`."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = [session.run(NAMES, {"images": image[None]})[0] for image in pixels]
    return np.concatenate(rows)
