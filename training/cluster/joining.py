"""Joins a Ray cluster, or starts one on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from training.errors import LostProcessError

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
        ray.init(
            address=address,
            runtime_env={"env_vars": _IN_WORKERS},
            log_to_driver=False,
            logging_level="error",
            include_dashboard=False if address is None else None,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
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
