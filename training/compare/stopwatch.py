"""How long steps take and how much memory they need, read from beside the loop."""

import os
import resource
import time
from pathlib import Path

import torch

from training.compare.result import Cost
from training.errors import ConfigError
from training.fit.position import Position
from training.fit.progress import Extent


class Stopwatch:
    """A `Progress` that shows nothing, and measures."""

    def __init__(self, batch_size: int, device: str) -> None:
        """Begin with nothing measured.

        Args:
            batch_size: images per step.
            device: cpu or cuda.
        """
        self._batch_size = batch_size
        self._is_cuda = device == "cuda"
        self._seconds, self._steps = 0.0, 0
        self._since: float | None = None
        self._is_warm = False
        self._before = self._peak = 0

    def begin(self, start: Position, extent: Extent) -> None:  # noqa: ARG002
        """Start; remember the memory before the first step."""
        self._since = time.perf_counter() if self._is_warm else None
        if not self._before:
            self._before = _allocated() if self._is_cuda else resident_bytes()

    def step(self, position: Position, done: float) -> None:  # noqa: ARG002
        """Count a step; the run's first, which chooses kernels, is not timed."""
        if self._since is None:
            self._wait()
            self._since, self._is_warm = time.perf_counter(), True
        else:
            self._steps += 1

    def end(self) -> None:
        """Stop before validation, which takes more memory on a CPU than training does."""
        self._wait()
        if self._since is not None:
            self._seconds += time.perf_counter() - self._since
        if not self._peak or self._is_cuda:
            self._peak = torch.cuda.max_memory_allocated() if self._is_cuda else peak_resident()

    def say(self, line: str) -> None:
        """Keep still."""

    def cost(self) -> Cost:
        """Give what was measured.

        Raises:
            ConfigError: the run had a single step, which tells nothing.
        """
        if not self._steps:
            message = "a run of one step has no pace; raise epochs or lower batch_size"
            raise ConfigError(message)
        per_step = self._seconds / self._steps
        return Cost(
            seconds_per_step=per_step,
            images_per_s=self._batch_size / per_step,
            peak_bytes=self._peak,
            before_bytes=self._before,
        )

    def _wait(self) -> None:
        if self._is_cuda:
            torch.cuda.synchronize()


def resident_bytes() -> int:
    """Give the memory that this process has resident now; 0 where there is no /proc."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident() -> int:
    """Give the most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts kilobytes


def _allocated() -> int:
    return int(torch.cuda.memory_allocated())
