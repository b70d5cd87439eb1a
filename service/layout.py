"""How the cores are shared out: a pure rule over what the machine has and the settings ask for."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from model.artifact.runtime import Device
from service.settings import Settings

# HTTP and decoding hold the interpreter lock for about a tenth of the time that the bundled model
# computes: on two cores two processes serve 1.16 of what one serves at 32 clients, and 1.38 at 8,
# for 1.7 times its memory. On large machines the memory counts for more.
_ONE_PER_CORE, _CORES_PER_PROCESS = 8, 4
# Batches beyond this size gain nothing on a CPU: their activations leave its caches.
_CPU_BATCH, _GPU_BATCH = 16, 64
# More threads bring a lone image of a small network nothing. It takes cores of other processes:
# with two of them, p50 at one client is 0.91 of what it is on one thread, at 8 clients 1.00.
_MOST_LONE_THREADS = 4
# On a GPU one worker decodes while the other's batch runs.
_GPU_LANE_WORKERS = 2


@dataclass(frozen=True)
class Layout:
    """Who does what.

    Attributes:
        processes: each with sessions of its own.
        lane_workers: threads of a process that decode and run.
        intra_op_threads: within one run of a batch.
        lone_threads: within the run of a lone image, while nothing else runs.
        max_batch_size: images in one run.
    """

    processes: int
    lane_workers: int
    intra_op_threads: int
    lone_threads: int
    max_batch_size: int


def lay_out(settings: Settings, device: Device, cores: int) -> Layout:
    """Share `cores` out; whatever the settings name is taken as it is."""
    if device == "cuda":
        return Layout(
            processes=settings.workers or 1,
            lane_workers=settings.lane_workers or _GPU_LANE_WORKERS,
            intra_op_threads=settings.intra_op_threads or 1,
            lone_threads=settings.lone_threads or 1,
            max_batch_size=settings.max_batch_size or _GPU_BATCH,
        )
    processes = settings.workers or min(
        cores, max(_ONE_PER_CORE, math.ceil(cores / _CORES_PER_PROCESS))
    )
    intra_op_threads = settings.intra_op_threads or 1
    share = max(1, cores // processes)
    return Layout(
        processes=processes,
        lane_workers=settings.lane_workers or max(1, share // intra_op_threads),
        intra_op_threads=intra_op_threads,
        lone_threads=settings.lone_threads or min(cores, _MOST_LONE_THREADS),
        max_batch_size=settings.max_batch_size or _CPU_BATCH,
    )


def limits_of_each(settings: Settings, processes: int) -> dict[str, int]:
    """Share the limits that bound all requests together out to the processes.

    Each can still take one request of the largest size, whatever its share is.

    Returns:
        The settings of one process, by name.
    """
    least = {
        "max_concurrent_requests": 1,
        "max_bytes_in_flight": settings.max_request_bytes,
        "max_waiting_images": settings.max_images_per_request,
    }
    return {
        name: max(smallest, math.ceil(getattr(settings, name) / processes))
        for name, smallest in least.items()
    }


def available_cores(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Count the cores this process may use: by its affinity, and by its container's quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, int(quota) // int(period)))
