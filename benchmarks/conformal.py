"""Do sets of classes hold the true one as often as they say, and how large are they?

    python -m benchmarks.conformal model/bundled --data cifar10:DATA [--seed 0]

The active version of the repository must be calibrated (`goodserve-train calibrate`). Its sets are
measured on test images, beside other scores that are calibrated on the same validation images.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.artifact.conformal import ConformalScale
from model.artifact.outputs import PROBABILITIES, SCORES, Scores, Session
from model.artifact.repository import ModelRepository
from training.data.dataset import Split
from training.publish.runtime import onnx_session
from training.publish.validation import trained_on, validation_images

CONFIDENCES = (0.8, 0.9, 0.95, 0.99)
_BATCH = 250
# Of RAPS, not tuned: what a class beyond the second costs.
_PRICE, _FREE_CLASSES = 0.05, 2


class Answered(NamedTuple):
    """What a network says of N images.

    Attributes:
        probabilities: `(N, K)`, float32.
        labels: `(N,)`, int64, the true classes.
    """

    probabilities: Scores
    labels: NDArray[np.int64]


class Found(NamedTuple):
    """What came of one confidence.

    Attributes:
        confidence: what was asked for.
        coverage: the fraction of the images whose set holds the true class.
        size: classes in a set, on average.
        alone: the fraction of sets of one class.
        per_class: the coverage of each class's images.
    """

    confidence: float
    coverage: float
    size: float
    alone: float
    per_class: tuple[float, ...]


# Gives the nonconformity of every image and class `(N, K)`, by probabilities and `(N, 1)` chance.
Score = Callable[[Scores, NDArray[np.float64]], NDArray[np.float64]]


def answered(session: Session, split: Split) -> Answered:
    """Run a version on images."""
    parts = [part.images.numpy() for part in split.parts(_BATCH)]
    found = [session(pixels, (SCORES, PROBABILITIES)).probabilities for pixels in parts]
    return Answered(np.concatenate(found), split.labels.numpy())


def measured(confidence: float, members: NDArray[np.bool_], labels: NDArray[np.int64]) -> Found:
    """Say how good the sets `(N, K)` are."""
    holds, sizes = members[np.arange(len(labels)), labels], members.sum(axis=1)
    per_class = tuple(float(holds[labels == k].mean()) for k in np.unique(labels))
    alone = float((sizes == 1).mean())
    return Found(confidence, float(holds.mean()), float(sizes.mean()), alone, per_class)


def least_ambiguous(probabilities: Scores, _chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source: Sadinle et al. (JASA 2019); sets may be empty."""
    return 1 - probabilities.astype(np.float64)


def adaptive(probabilities: Scores, chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source: Romano et al. (NeurIPS 2020); the class's own share is dealt out by chance."""
    exact = probabilities.astype(np.float64)
    order = np.argsort(-exact, axis=1, kind="stable")
    ranked = np.take_along_axis(exact, order, axis=1)
    scores = np.empty_like(exact)
    np.put_along_axis(scores, order, ranked.cumsum(axis=1) - ranked * chance, axis=1)
    return scores


def regularised(probabilities: Scores, chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source: Angelopoulos et al. (ICLR 2021)."""
    ranks = np.argsort(np.argsort(-probabilities, axis=1, kind="stable"), axis=1) + 1
    return adaptive(probabilities, chance) + _PRICE * np.maximum(0, ranks - _FREE_CLASSES)


METHODS: Mapping[str, Score] = {
    "least ambiguous, may be empty": least_ambiguous,
    "adaptive (APS), by chance": adaptive,
    "regularised (RAPS), by chance": regularised,
}


def compared(score: Score, validation: Answered, test: Answered, seed: int) -> Iterator[Found]:
    """Calibrate a score on validation images, and measure its sets at every confidence."""
    chance = np.random.default_rng(seed)
    seen = score(validation.probabilities, chance.random((len(validation.labels), 1)))
    true = np.sort(seen[np.arange(len(seen)), validation.labels])
    every = score(test.probabilities, chance.random((len(test.labels), 1)))
    for confidence in CONFIDENCES:
        rank = int(np.ceil((len(true) + 1) * confidence - 1e-9))
        limit = true[rank - 1] if rank <= len(true) else np.inf
        yield measured(confidence, every <= limit, test.labels)


def served(scale: ConformalScale, test: Answered) -> Iterator[Found]:
    """Measure the sets that the service gives."""
    for confidence in CONFIDENCES:
        members = scale.members(test.probabilities, confidence)
        yield measured(confidence, members, test.labels)


def halves(test: Answered, seed: int, rounds: int = 100) -> Iterator[tuple[float, float, float]]:
    """Calibrate on one half of the test images and measure on the other, many times.

    Images of both halves are drawn alike, which validation and test images need not be.

    Yields:
        For each confidence the confidence, and the mean and the spread of the coverage.
    """
    chance = np.random.default_rng(seed)
    true = test.probabilities[np.arange(len(test.labels)), test.labels]
    half = len(true) // 2
    found = []
    for _ in range(rounds):
        order = chance.permutation(len(true))
        scale, others = ConformalScale.of(true[order[:half]]), test.probabilities[order[half:]]
        place = np.arange(len(others)), test.labels[order[half:]]
        found.append([scale.members(others, c)[place].mean() for c in CONFIDENCES])
    for confidence, coverages in zip(CONFIDENCES, np.transpose(found), strict=True):
        yield confidence, float(coverages.mean()), float(coverages.std())


def lines(found: Sequence[Found]) -> Iterator[str]:
    """Write the table of the sets that the service gives."""
    yield "| confidence | coverage | classes in a set | one alone | per class, least and most |"
    yield "|---|---|---|---|---|"
    for each in found:
        least, most = min(each.per_class), max(each.per_class)
        yield (
            f"| {each.confidence:g} | {each.coverage:.4f} | {each.size:.3f} | {each.alone:.1%} | "
            f"{least:.3f}, {most:.3f} |"
        )


def method_lines(found: Mapping[str, Sequence[Found]]) -> Iterator[str]:
    """Write the table of all scores: coverage, size, and the least coverage of a class."""
    yield (
        "| coverage, classes in a set, least class | "
        + " | ".join(f"{confidence:g}" for confidence in CONFIDENCES)
        + " |"
    )
    yield "|---|" + "---|" * len(CONFIDENCES)
    for name, row in found.items():
        cells = (f"{f.coverage:.3f}, {f.size:.2f}, {min(f.per_class):.2f}" for f in row)
        yield f"| {name} | " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the active version, print two tables; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--data", required=True, help="the data it was trained on, KIND:PATH")
    parser.add_argument("--seed", type=int, default=0, help="of the methods with chance")
    given = parser.parse_args(arguments)
    repository = ModelRepository(given.repository)
    active = repository.active()
    stored = None if active is None else repository.read(active)
    if stored is None or stored.manifest.conformal is None:
        reason = f"the active version of {given.repository} is not calibrated"
        print(f"benchmarks.conformal: {reason}; see goodserve-train calibrate", file=sys.stderr)
        return 2
    manifest, session = stored.manifest, onnx_session(stored.model)
    validation = answered(session, validation_images(manifest, given.data))
    test = answered(session, trained_on(manifest, given.data).test)
    ours = list(served(stored.manifest.conformal, test))
    print(f"{active}, n = {len(test.labels)} test, {len(validation.labels)} validation images")
    print("\n".join(lines(ours)), end="\n\n")
    others = {n: list(compared(s, validation, test, given.seed)) for n, s in METHODS.items()}
    print("\n".join(method_lines({"**as served**": ours, **others})), end="\n\n")
    print("calibrated on half of the test images, measured on the other half, 100 times:")
    for confidence, mean, spread in halves(test, given.seed):
        print(f"  {confidence:g}: {mean:.4f} +- {spread:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
