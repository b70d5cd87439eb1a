"""`goodserve serve`: the processes that serve, and what they are told."""

import asyncio
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import types
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

import uvicorn

from model.artifact.place import absolute
from model.artifact.runtime import Device, has_cuda
from service.device import serving_device
from service.draining import DrainingServer
from service.keys.live import live_keys
from service.layout import available_cores, lay_out, limits_of_each
from service.logs import configure_logging
from service.opened import opened_repository
from service.processes.aside import served_aside
from service.processes.door import bound_socket
from service.processes.start import APP, options, serve_handed
from service.processes.supervisor import Supervisor
from service.processes.tls import check_tls
from service.running import recorded, records_folder
from service.settings import PREFIX, Settings

_MOST_FILES = 65_536


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is in flight and exit 0.

    Raises:
        DeviceError: CUDA was asked for and does not work.
        KeysError: the keys cannot be read.
        ListenError: the address is taken, or not ours.
        RepositoryError: the public keys cannot be read.
        StartError: none of several processes can start.
        TlsError: certificate or key cannot be used.
    """
    configure_logging(settings)
    opened_repository(settings)  # a wrong key is told here, and not by every process
    _allow_many_files()
    # What is damaged ends the command here, and not one process after the other.
    live_keys(settings)
    if settings.ssl_certfile is not None:
        check_tls(settings.ssl_certfile, settings.ssl_keyfile)
    device = _device_tried_apart(settings)
    layout = lay_out(settings, device, available_cores())
    # Told to the processes, so that each takes its share of the cores and not all of them.
    chosen = {"device": device, "workers": layout.processes, "lane_workers": layout.lane_workers}
    limits = limits_of_each(settings, layout.processes)
    settings = settings.model_copy(update=chosen | limits)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has shut down: that is the end, not a failure.
        signal.signal(number, _exit_quietly)
    repository = absolute(settings.repository)
    with (
        tempfile.TemporaryDirectory(prefix="goodserve-metrics-") as folder,
        recorded(repository, records_folder(), _url(settings)),
    ):
        if layout.processes > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            settings = settings.model_copy(update={"metrics_folder": Path(folder)})
        _pass_on(settings)
        with _admin_port(settings):
            if layout.processes == 1:
                _check_free(settings)
                told = options(settings) | {"host": settings.host, "port": settings.port}
                DrainingServer(uvicorn.Config(APP, **told)).run()
            else:
                asyncio.run(_by_several(settings, layout.processes))


def _url(settings: Settings) -> str | None:
    """Say where this machine reaches the service; None where the system chooses the port."""
    if not settings.port:
        return None
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    scheme = "http" if settings.ssl_certfile is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _admin_port(settings: Settings) -> AbstractContextManager[None]:
    """Serve the admin port while a block lasts, if there is one."""
    if settings.admin_port is None:
        return nullcontext()
    from service.admin import create_admin_app  # noqa: PLC0415  of FastAPI, if at all

    listener = bound_socket(settings.admin_host, settings.admin_port)
    told = options(settings) | {"factory": False}
    return served_aside(uvicorn.Config(create_admin_app(settings), **told), listener)


def _check_free(settings: Settings) -> None:
    """Find out before a model is loaded whether an address can be listened on.

    Raises:
        ListenError: it cannot.
    """
    bound_socket(settings.host, settings.port).close()


async def _by_several(settings: Settings, processes: int) -> None:
    listener = bound_socket(settings.host, settings.port)
    scheme = "https" if settings.ssl_certfile else "http"
    grace_s = settings.shutdown_grace_s
    await Supervisor(listener, serve_handed, processes, grace_s, scheme).run()


def _device_tried_apart(settings: Settings) -> Device:
    """Find out where to run in a process that ends: the supervisor must hold no GPU memory.

    Raises:
        DeviceError: CUDA was asked for and does not work.
    """
    if settings.device == "cpu" or not has_cuda():
        return serving_device(settings)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(serving_device, settings).result()


def _allow_many_files() -> None:
    """Raise the soft limit of open files, often 1,024, as far as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _exit_quietly(_signal: int, _frame: types.FrameType | None) -> NoReturn:
    sys.exit(0)


def _pass_on(settings: Settings) -> None:
    """Hand the settings to the worker processes: they read the environment as anyone would."""
    for name, value in settings.model_dump(mode="json").items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
