"""A version on trial: which requests it gets, and when it has failed; pure rules."""

import hashlib
import math
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from model.artifact.labels import Canary
from model.artifact.manifest import Manifest
from model.artifact.outputs import Scores
from model.artifact.version import VersionId
from service.predict.batch import Images
from service.predict.lanes import Wanted

T = TypeVar("T")

# A verdict needs so many outcomes, and a rate that is beyond its limit at the lower end of a
# one-sided interval of 99 %: it is asked for after every request, and a rate that is only near
# its limit would cross it by chance sooner or later.
ENOUGH = 20
_Z = 2.326


class Ran(NamedTuple, Generic[T]):
    """What one version made of a request.

    Attributes:
        answer: in the form that was asked for.
        images: files or pixels, as the version got them.
        manifest: of the version.
        scores: `(N, K)`, float32, of the images.
    """

    answer: T
    images: Images
    manifest: Manifest
    scores: Scores

    @property
    def labels(self) -> list[str]:
        """The first class of each image."""
        return labels_of(self.manifest, self.scores)


def labels_of(manifest: Manifest, scores: Scores) -> list[str]:
    """Name the first class of each image, for two versions may order their classes otherwise.

    Args:
        manifest: of the version.
        scores: `(N, K)`, float32.
    """
    return [manifest.labels[place] for place in scores.argmax(axis=1)]


@dataclass
class Tally:
    """What became of a trial so far.

    Attributes:
        ran: requests that the version on trial was given.
        failed: those of them that it failed by its own fault.
        compared: images that the active version saw as well.
        differed: those of them for which the two named other classes first.
    """

    ran: int = 0
    failed: int = 0
    compared: int = 0
    differed: int = 0


@dataclass
class Trial:
    """One trial, as one process sees it.

    Attributes:
        id: the version on trial.
        canary: how it is tried.
        tally: what became of it.
        failure: why it was stopped; None while it goes on.
    """

    id: VersionId
    canary: Canary
    tally: Tally
    failure: str | None = None

    @property
    def answers(self) -> bool:
        """Whether callers who name no version may be answered by the one on trial."""
        return self.failure is None and not self.canary.shadow and self.canary.percent > 0

    @property
    def wanted(self) -> Wanted:
        """Name the version on trial as a request would."""
        return Wanted(self.id.name, self.id.version)


def is_drawn(trial: Trial, key: bytes | None, chance: float) -> bool:
    """Tell whether a request is one of those that the version on trial gets.

    Args:
        trial: that goes on.
        key: the same key always draws the same; None: chance decides.
        chance: uniform over [0, 1).
    """
    if key is not None:
        # By the version too, or the same callers would be the first to meet every new one.
        digest = hashlib.sha256(f"{trial.id}\0".encode() + key).digest()
        chance = int.from_bytes(digest[:8]) / 2**64
    return chance * 100 < trial.canary.percent


def verdict(canary: Canary, tally: Tally) -> str | None:
    """Say why a trial has failed; None while it has not."""
    if _is_beyond(tally.failed, tally.ran, canary.max_failures):
        return (
            f"{tally.failed} of {tally.ran} requests failed by its own fault, the limit is "
            f"{canary.max_failures:.1%}"
        )
    limit = canary.max_disagreement
    if limit is not None and _is_beyond(tally.differed, tally.compared, limit):
        return (
            f"it names another class than the active version on {tally.differed} of "
            f"{tally.compared} images, the limit is {limit:.1%}"
        )
    return None


def _is_beyond(count: int, n: int, limit: float) -> bool:
    return n >= ENOUGH and lower_bound(count, n) > limit


def lower_bound(count: int, n: int) -> float:
    """Give the lower end of Wilson's one-sided 99 % interval of a rate, count of n, 0 to 1."""
    rate, z2 = count / n, _Z * _Z
    spread = _Z * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # Rounding would put it a little above a rate of 0.
    return min(rate, max(0.0, (rate + z2 / (2 * n) - spread) / (1 + z2 / n)))
