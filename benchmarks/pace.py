"""How many images a second published versions answer in process, with nothing around the graph.

    python -m benchmarks.pace model/bundled --versions cifar10/4 cifar10/5

One session of each version runs batches of drawn pixels for scores and probabilities, as a lane of
the service does. The versions take turns, so that all meet the same machine. Images per CPU second
hardly depend on what else runs; images per second do.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.machine import this_machine
from benchmarks.tables import markdown
from model.artifact.image import Pixels
from model.artifact.outputs import PROBABILITIES, SCORES, Session
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession
from model.artifact.version import VersionId

_PLAIN = (SCORES, PROBABILITIES)  # what an answer without an explanation needs
_HEADS = ("version", "MB", "images/s", "slowest, fastest", "images per CPU second")


@dataclass(frozen=True)
class Turn:
    """What one version did while it had the machine.

    Attributes:
        images: answered.
        seconds: that went by.
        cpu_s: of this process.
    """

    images: int
    seconds: float
    cpu_s: float


def turn(session: Session, batch: Pixels, seconds: float) -> Turn:
    """Answer one batch over and over until the time is up, at least once."""
    runs, started, cpu_before = 0, time.perf_counter(), time.process_time()
    while not runs or time.perf_counter() - started < seconds:
        session(batch, _PLAIN)
        runs += 1
    gone, cpu_s = time.perf_counter() - started, time.process_time() - cpu_before
    return Turn(runs * len(batch), gone, cpu_s)


@dataclass(frozen=True)
class Contender:
    """A version that is measured.

    Attributes:
        version: its name and number.
        size: bytes of its graph.
        session: runs it.
        batch: `(N, H, W, 3)`, uint8, what it answers.
        turns: what it did so far.
    """

    version: VersionId
    size: int
    session: Session
    batch: Pixels
    turns: list[Turn] = field(default_factory=list)

    @classmethod
    def of(
        cls, repository: ModelRepository, version: VersionId, options: argparse.Namespace
    ) -> Self:
        """Open a version."""
        stored = repository.read(version)
        shape = (options.batch, stored.manifest.image_height, stored.manifest.image_width, 3)
        batch = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        session = OnnxSession(stored.model, "cpu", options.threads)
        return cls(version, len(stored.model), session, batch)

    def row(self) -> list[str]:
        """Write what it reached."""
        paces = [each.images / each.seconds for each in self.turns]
        by_cpu = [each.images / each.cpu_s for each in self.turns]
        return [
            str(self.version),
            f"{self.size / 1e6:.1f}",
            f"{statistics.median(paces):,.0f}",
            f"{min(paces):,.0f}, {max(paces):,.0f}",
            f"{statistics.median(by_cpu):,.0f}",
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table; return the exit status."""
    options = _parser().parse_args(arguments)
    repository = ModelRepository(options.repository)
    versions = _wanted(repository, options.versions)
    if not versions:
        print(f"benchmarks.pace: {options.repository} has no active version", file=sys.stderr)
        return 2
    contenders = [Contender.of(repository, version, options) for version in versions]
    for contender in contenders:
        turn(contender.session, contender.batch, options.seconds)  # to warm up
    for _ in range(options.rounds):
        for contender in contenders:
            contender.turns.append(turn(contender.session, contender.batch, options.seconds))
    machine = this_machine("benchmarks.pace", {})
    print(f"batches of {options.batch}, {options.threads} threads, {options.rounds} rounds")
    runtime = f"onnxruntime {machine.versions['onnxruntime']}, Python {machine.versions['python']}"
    print(f"{machine.processor}, {machine.cores} cores, {runtime}")
    print(markdown(_HEADS, (contender.row() for contender in contenders)))
    return 0


def _wanted(repository: ModelRepository, named: Sequence[VersionId]) -> list[VersionId]:
    """Give the versions to measure: as named, or the active one."""
    active = repository.active()
    return [*named] or ([active] if active is not None else [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument(
        "--versions", type=VersionId.parse, nargs="+", default=[], help="by default the active one"
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1, help="within a run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each turn")
    return parser


if __name__ == "__main__":
    sys.exit(main())
