"""Hardware, versions and commits: what a figure is worth nothing without."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.records import Machine

_PACKAGES = ("onnxruntime", "pillow", "numpy", "fastapi", "starlette", "uvicorn", "uvloop")


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def this_machine(program: str, checkouts: Mapping[str, Path]) -> Machine:
    """Describe where a run takes place.

    Args:
        program: what `python -m` started.
        checkouts: folders by the names that the results call them.
    """
    return Machine(
        command=f"python -m {program} {shlex.join(sys.argv[1:])}".strip(),
        processor=_processor(),
        cores=cores(),
        kernel=platform.release(),
        versions={"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        commits={label: _commit(folder) for label, folder in checkouts.items()},
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git here
        return "unknown"
    return found.stdout.strip() or "unknown"
