"""What stopping early brings and costs: throughput and accuracy on real test images, in process.

    python -m benchmarks.anytime models --data cifar10:DATA --out docs/anytime.png

The active version of the repository must be cut in two (`goodserve-train anytime`). It is run as
a lane of the service runs it, but for decoding and HTTP: threads take batches of pixels.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.curve import Point, draw
from benchmarks.machine import cores, this_machine
from model.artifact.image import Pixels
from model.artifact.outputs import LAYERS_USED, PROBABILITIES, SCORES, Outputs, Session
from model.artifact.repository import ModelRepository
from model.artifact.runtime import session_opener, stage_opener
from model.artifact.version import VersionId
from service.predict.anytime import Early
from service.predict.loading import Further, LoadedVersion, RunSizes, load_version
from training.data.dataset import Split
from training.publish.validation import split_as

CONFIDENCES = (None, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_PLAIN = (SCORES, PROBABILITIES)


@dataclass(frozen=True)
class Reached:
    """What one confidence gave.

    Attributes:
        confidence: with which images may stop early; None: off.
        images_per_s: the median over the rounds.
        slowest: of the rounds.
        fastest: of the rounds.
        accuracy: a fraction.
        agreement: the fraction of images that get the class the whole network gives.
        early: the fraction of images that stop early.
    """

    confidence: float | None
    images_per_s: float
    slowest: float
    fastest: float
    accuracy: float
    agreement: float
    early: float

    @property
    def name(self) -> str:
        """Write the confidence."""
        return "off" if self.confidence is None else f"{self.confidence:g}"


class Dial:
    """The confidence that a session asks for."""

    def __init__(self) -> None:
        """Begin with off."""
        self.confidence: float | None = None

    def __call__(self) -> float | None:
        """Give it."""
        return self.confidence


def measure(
    session: Session, dial: Dial, test: Split, options: argparse.Namespace
) -> list[Reached]:
    """Answer all images at every confidence, in turns, so that all meet the same machine."""
    images, labels = test.images.numpy(), test.labels.numpy()
    paces: dict[float | None, list[float]] = {confidence: [] for confidence in CONFIDENCES}
    answers: dict[float | None, Outputs] = {}
    for dial.confidence in itertools.chain.from_iterable([CONFIDENCES] * options.rounds):
        started = time.perf_counter()
        answers[dial.confidence] = answered(session, images, options.batch, options.threads)
        paces[dial.confidence].append(len(images) / (time.perf_counter() - started))
    return [_reached(c, paces[c], answers[c], answers[None], labels) for c in CONFIDENCES]


def answered(session: Session, images: Pixels, batch: int, threads: int) -> Outputs:
    """Answer images in batches, on several threads that share the session."""
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    with ThreadPoolExecutor(threads) as pool:
        return Outputs.joined(list(pool.map(lambda each: session(each, _PLAIN), batches)))


def table(reached: Sequence[Reached]) -> list[str]:
    """Write the results as Markdown."""
    first = reached[0]
    lines = [
        "| confidence | stop early | images/s | slowest, fastest | | accuracy | points | agree |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in reached:
        points = 100 * (each.accuracy - first.accuracy)
        lines.append(
            f"| {each.name} | {each.early:.1%} | {each.images_per_s:.0f} | "
            f"{each.slowest:.0f}, {each.fastest:.0f} | "
            f"{each.images_per_s / first.images_per_s:.2f}x | {each.accuracy:.2%} | "
            f"{points:+.2f} | {each.agreement:.2%} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, draw the curve; return the exit status."""
    options = _parser().parse_args(arguments)
    repository, dial = ModelRepository(options.repository), Dial()
    active = repository.active()
    if active is None or repository.manifest(active).anytime is None:
        reason = f"the active version of {options.repository} is not cut in two"
        print(f"benchmarks.anytime: {reason}; see goodserve-train anytime", file=sys.stderr)
        return 2
    loaded = _loaded(repository, active, options.batch, dial)
    test = split_as(loaded.manifest, options.data).test.first(options.limit)
    reached = measure(loaded.session, dial, test, options)
    machine = this_machine("benchmarks.anytime", {})
    print(f"{active}, n = {len(test)}, {options.rounds} rounds, {options.threads} threads")
    runtime = f"onnxruntime {machine.versions['onnxruntime']}, Python {machine.versions['python']}"
    print(f"{machine.processor}, {machine.cores} cores, {runtime}")
    print("\n".join(table(reached)))
    if options.out is not None:
        title = f"accuracy of {active} on {len(test):,} test images, by confidence"
        points = [Point(each.images_per_s, each.accuracy, each.name) for each in reached]
        draw(points, title).save(options.out, optimize=True)
    return 0


def _loaded(
    repository: ModelRepository, version: VersionId, batch: int, dial: Dial
) -> LoadedVersion:
    """Load a version as the service does."""
    further = Further(Early(stage_opener("cpu"), dial))
    return load_version(repository, version, session_opener("cpu"), RunSizes(batch), further)


def _reached(
    confidence: float | None,
    paces: list[float],
    outputs: Outputs,
    whole: Outputs,
    labels: NDArray[np.int64],
) -> Reached:
    found = outputs.scores.argmax(axis=1)
    return Reached(
        confidence=confidence,
        images_per_s=statistics.median(paces),
        slowest=min(paces),
        fastest=max(paces),
        accuracy=float((found == labels).mean()),
        agreement=float((found == whole.scores.argmax(axis=1)).mean()),
        early=float((outputs.optional[LAYERS_USED] < whole.optional[LAYERS_USED]).mean()),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository", type=Path, help="its active version is measured")
    parser.add_argument("--data", required=True, help="KIND:PATH, of which the test split is used")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="use only so many images")
    parser.add_argument("--out", type=Path, help="draw the curve as PNG")
    return parser


if __name__ == "__main__":
    sys.exit(main())
