"""Joins a Ray cluster, or starts one on this machine."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from training.errors import LostProcessError

# Ray itself tries for a minute and a half, and tells it in lines of its own.
_HOST_PORT = re.compile(r"(?:ray://)?([^:/]+):(\d+)")
_PATIENCE_S = 5
# Ray Train would have what is printed logged, and the log printed.
_IN_WORKERS = {"ORT_DISABLE_TELEMETRY": "1", "RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Join a cluster while the block lasts.

    Args:
        address: HOST:PORT of its head; None: as RAY_ADDRESS says, or the cluster that this machine
            is part of, or else one of this machine alone.

    Raises:
        LostProcessError: it does not answer, or no longer.
    """
    # Nothing is reported to anybody, unless whoever starts it says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _knock(address or os.environ.get("RAY_ADDRESS", ""))
        ray.init(
            address=address,
            runtime_env={"env_vars": _IN_WORKERS},
            log_to_driver=False,
            logging_level="error",
            include_dashboard=False if address is None else None,
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        message = f"no Ray cluster answers at {address or 'RAY_ADDRESS or here'}: {reason}"
        raise LostProcessError(message) from error
    try:
        yield
    except RayError as error:
        message = f"the Ray cluster was lost: {str(error).splitlines()[0]}; go on with --resume"
        raise LostProcessError(message) from error
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out whether anybody listens there, or raise `OSError`."""
    named = _HOST_PORT.fullmatch(address)
    if named is not None:
        host, port = named.groups()
        socket.create_connection((host, int(port)), _PATIENCE_S).close()
