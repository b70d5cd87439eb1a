"""The machine that a comparison ran on."""

import os
import platform
from pathlib import Path

import torch

from training.compare.result import Machine


def load() -> float:
    """Give how many processes wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 1)


def this_machine(device: str, load_before: float) -> Machine:
    """Describe this machine, and how busy it was before and is now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        gpu=torch.cuda.get_device_name() if device == "cuda" else None,
        versions={"Python": platform.python_version(), "torch": torch.__version__},
        load=(load_before, load()),
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
