"""Joins a Ray cluster, or starts one on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from service.cluster.errors import ClusterError
from service.settings import PREFIX, Settings


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Join a cluster while the block lasts; its processes see this one's settings.

    Args:
        address: HOST:PORT of its head; None: as RAY_ADDRESS says, or the cluster that this machine
            is part of, or else one of this machine alone.

    Raises:
        ClusterError: it does not answer, or what was asked of it failed there.
    """
    # Nothing is reported to anybody, unless whoever starts it says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    environment = {"ORT_DISABLE_TELEMETRY": "1", **_set_here()}
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": environment},
            log_to_driver=False,
            logging_level="error",
            include_dashboard=False if address is None else None,
        )
        yield
    except (ConnectionError, RayError, RuntimeError) as error:
        raise ClusterError(_reason(error)) from error
    finally:
        ray.shutdown()


def _reason(error: BaseException) -> str:
    """Say what went wrong at the bottom of what Ray has wrapped around it."""
    while isinstance(below := getattr(error, "cause", None) or error.__cause__, BaseException):
        error = below
    return f"{type(error).__name__}: {error}"


def _set_here() -> dict[str, str]:
    """Give the variables of the settings that are not left at their defaults."""
    settings = Settings()
    said = settings.model_dump(mode="json", include=settings.model_fields_set)
    return {PREFIX + name.upper(): str(value) for name, value in said.items() if value is not None}
