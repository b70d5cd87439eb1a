"""A session that stops after a prefix of the layers for images of which the prefix is sure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.artifact.anytime import PASSED, PREFIX_FILE, SUFFIX_FILE, contributions_spec, softmax
from model.artifact.checks import check_stages, golden_pixels
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import (
    CONTRIBUTIONS,
    FAMILIARITY,
    LAYERS_USED,
    Outputs,
    Scores,
    Session,
    Stage,
    TensorSpec,
)
from model.artifact.repository import StoredVersion


class CheckedStage(Stage, Protocol):
    """A part of a network that can be held against what it should be."""

    def check(self, specs: Sequence[TensorSpec]) -> None:
        """Hold the graph against its input and outputs, or raise `ContractError`."""


# Opens the bytes of a part for runs of so many threads.
OpenStage = Callable[[bytes, int], CheckedStage]


@dataclass(frozen=True)
class Early:
    """Whether versions may stop early.

    Attributes:
        open_stage: opens a part of a network.
        confidence: says with how much confidence they may just now; None: not at all. It is
            asked before each run, by any thread.
    """

    open_stage: OpenStage
    confidence: Callable[[], float | None]


@dataclass(frozen=True)
class Depth:
    """With how much confidence images may stop early, by how busy the service is.

    Attributes:
        usual: None: not at all.
        under_load: while the expected wait is long; None: as usual.
        long_wait_s: a wait is long beyond it.
    """

    usual: float | None = None
    under_load: float | None = None
    long_wait_s: float = math.inf

    def confidence(self, expected_wait_s: float) -> float | None:
        """Shed depth before requests: give the confidence that is enough now."""
        if self.under_load is not None and expected_wait_s > self.long_wait_s:
            return self.under_load
        return self.usual


class AnytimeSession:
    """Runs the first layers, and the others only for those images that need them.

    An answer given early is the first layers' alone: its scores are the sum of their
    contributions, those of the layers that did not run are 0. How familiar an image is, no answer
    by the parts says: that takes the last layer, and the parts give contributions alone.
    """

    def __init__(
        self,
        manifest: Manifest,
        whole: Session,
        parts: tuple[Stage, Stage],
        confidence: Callable[[], float | None],
    ) -> None:
        """Join the two parts of a network.

        Args:
            manifest: of the version, which is cut in two.
            whole: runs the network where nothing may stop early.
            parts: its prefix and its suffix.
            confidence: says with how much an image may stop; None: not at all.
        """
        assert manifest.anytime is not None  # noqa: S101  its parts were read by it
        self._anytime = manifest.anytime
        self._temperature = manifest.temperature
        self._layers = len(manifest.layers)
        self._has_familiarity = manifest.familiarity is not None
        self._whole = whole
        self._prefix, self._suffix = parts
        self._confidence = confidence

    def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        """Classify `(N, H, W, 3)` uint8 pixels; `LAYERS_USED` is always among the outputs."""
        confidence = self._confidence()
        limit = None if confidence is None else self._anytime.probability(confidence)
        if limit is None:
            outputs = self._whole(pixels, wanted)
            used = np.full(len(pixels), self._layers, np.int64)
            return outputs._replace(optional={**outputs.optional, LAYERS_USED: used})
        scores, probabilities, contributions, used = self._stopping(pixels, limit)
        is_wanted = wanted is None or CONTRIBUTIONS in wanted
        optional: dict[str, NDArray[Any]] = {LAYERS_USED: used}
        if self._has_familiarity and (wanted is None or FAMILIARITY in wanted):
            # Also so that these rows can be joined with those of a run of the whole.
            optional[FAMILIARITY] = np.full(len(used), np.nan, np.float32)
        return Outputs(scores, probabilities, contributions if is_wanted else None, optional)

    def _stopping(
        self, pixels: Pixels, limit: float
    ) -> tuple[Scores, Scores, Scores, NDArray[np.int64]]:
        """Run the prefix, and the suffix for those whose top probability is below the limit."""
        first, depth = self._prefix(pixels), self._anytime.prefix_layers
        parts = first[CONTRIBUTIONS]
        scores = parts.sum(axis=1)
        probabilities = softmax(scores, self._anytime.temperature)
        contributions = np.zeros((len(parts), self._layers, parts.shape[2]), parts.dtype)
        contributions[:, :depth] = parts
        used = np.full(len(parts), depth, np.int64)
        # Not "below": what is no number must not look sure.
        rest = np.flatnonzero(~(probabilities.max(axis=1) >= limit))
        if len(rest):
            contributions[rest, depth:] = self._suffix(first[PASSED][rest])[CONTRIBUTIONS]
            scores[rest] = contributions[rest].sum(axis=1)
            probabilities[rest] = softmax(scores[rest], self._temperature)
            used[rest] = self._layers
        return scores, probabilities, contributions, used


def open_early(
    stored: StoredVersion, whole: Session, early: Early, threads: int, images: int
) -> AnytimeSession:
    """Open a version's parts, check them against the whole, and warm them.

    Args:
        stored: the version, which is cut in two.
        whole: runs all its layers.
        early: how parts are opened, and when images may stop.
        threads: within a run.
        images: in the largest run.

    Raises:
        ContractError: a part is not what the manifest says.
    """
    manifest, anytime = stored.manifest, stored.manifest.anytime
    assert anytime is not None  # noqa: S101  the caller made sure
    prefix, suffix = (
        early.open_stage(stored.graphs[file], threads) for file in (PREFIX_FILE, SUFFIX_FILE)
    )
    depth, layers, classes = anytime.prefix_layers, len(manifest.layers), len(manifest.labels)
    prefix.check((manifest.input, anytime.passed, contributions_spec(depth, classes)))
    suffix.check((anytime.passed, contributions_spec(layers - depth, classes)))
    check_stages(golden_pixels(manifest), whole, prefix, suffix)
    size = (images, manifest.image_height, manifest.image_width, 3)
    suffix(prefix(np.zeros(size, np.uint8))[PASSED])
    return AnytimeSession(manifest, whole, (prefix, suffix), early.confidence)
