"""The composition root of the admin port: `/admin` alone, beside the service and without lanes."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI

from service.http.access import Gate, no_path
from service.http.admin.router import admin_router
from service.http.body import Receive
from service.http.endpoint import Scope, Send
from service.http.openapi import DocumentedAPI, operation_id
from service.http.problems import add_handlers
from service.http.request_id import numbered
from service.http.schemas import Live
from service.http.security import describe_security
from service.keys.live import LiveKeys
from service.opened import opened_repository
from service.settings import Settings

log = logging.getLogger("goodserve")


@dataclass(frozen=True)
class AdminApp:
    """The ASGI application behind the admin port."""

    framework: FastAPI
    gate: Gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the process."""
        if scope["type"] == "http":
            send = numbered(scope, send)
            refusal = no_path(scope["path"]) or self.gate.refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.framework(scope, receive, send)


def create_admin_app(settings: Settings) -> AdminApp:
    """Make the application; its settings name keys.

    Raises:
        KeysError: they cannot be read.
    """
    keys = LiveKeys(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with keys.running():
            yield

    framework = DocumentedAPI(
        title="goodserve admin",
        version=version("goodserve"),
        summary="Changes what serves.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads scripts from a foreign host
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,  # a redirect would lead to the host that the caller names
    )
    framework.include_router(admin_router(opened_repository(settings)))
    framework.add_api_route("/health/live", _live, methods=["GET"])
    add_handlers(framework, {})
    gate = Gate(keys.ring, _note_denied)
    describe_security(framework, gate)
    return AdminApp(framework, gate)


async def _live() -> Live:
    """Say that the port answers."""
    return Live()


def _note_denied(reason: str) -> None:
    """Log it: the counts of `/metrics` are those of the processes that predict."""
    log.info("turned away at the admin port: %s", reason)
