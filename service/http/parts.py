"""From evidence to an answer: every part of a score, and what they sum to."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.artifact.evidence import Floats
from model.artifact.spread import spread
from service.http.answer import familiar_words, settled_words
from service.http.sets import conformal_sets
from service.predict.answers import Explained

_TOP_CLASSES = 5


def word_parts(
    explained: Explained,
    num_channels: int,
    confidence: float | None = None,
    familiar_from: float = 5.0,
) -> bytes:
    """Word scores taken apart as JSON, in the form of `schemas.ExplainResponse`.

    Args:
        explained: n images, M combinations of classes.
        num_channels: the strongest channels to give for each.
        confidence: of the set of classes; None: no set.
        familiar_from: the percentile from which an image counts as familiar.
    """
    factors = explained.question.factors(explained.evidence.scores)
    residuals = explained.evidence.residuals(factors)
    parts = _Parts(explained, factors, residuals, num_channels)
    explanations = [parts.image(row) for row in range(len(factors))]
    evidence, manifest = explained.evidence, explained.manifest
    settled = settled_words(manifest, evidence.contributions, evidence.scores)
    for explanation, words in zip(explanations, settled, strict=True):
        explanation["settled_at"] = words
    for explanation, percentile in zip(explanations, explained.familiarity or (), strict=False):
        explanation.update(familiar_words(percentile, familiar_from))
    if confidence is not None:
        sets = conformal_sets(manifest, evidence.scores, evidence.probabilities, confidence)
        for explanation, labels in zip(explanations, sets, strict=True):
            explanation["conformal_set"] = labels
    model = {"name": explained.id.name, "version": explained.id.version}
    return msgspec.json.encode({"model": model, "explanations": explanations})


def named(factors: Floats, labels: tuple[str, ...]) -> tuple[str | None, list[str] | None]:
    """Name one combination `(K,)`: a class, or the pair that is told apart."""
    if factors.min() < 0:
        return None, [labels[factors.argmax()], labels[factors.argmin()]]
    return labels[factors.argmax()], None


class _Parts:
    """Words one answer, image by image."""

    def __init__(
        self,
        explained: Explained,
        factors: Floats,
        residuals: NDArray[np.float64],
        num_channels: int,
    ) -> None:
        self._evidence, self._manifest = explained.evidence, explained.manifest
        self._assignment = explained.assignment
        self._factors, self._residuals = factors, residuals
        self._num_channels = num_channels
        described = explained.manifest.evidence
        assert described is not None  # noqa: S101  it was taken apart by that graph
        self._owners = [
            (layer.name, channel)
            for layer, count in zip(explained.manifest.layers, described.channels, strict=True)
            for channel in range(count)
        ]

    def image(self, row: int) -> dict[str, Any]:
        """Word what is said of one image."""
        scores, probabilities = self._evidence.scores[row], self._evidence.probabilities[row]
        labels = self._manifest.labels
        order = np.argsort(-scores, kind="stable")[:_TOP_CLASSES]
        classes = [
            {
                "label": labels[k],
                "probability": float(probabilities[k]),
                "goodness": float(scores[k]),
            }
            for k in order
        ]
        combinations = range(self._factors.shape[1])
        return {
            "label": classes[0]["label"],
            "probability": classes[0]["probability"],
            "classes": classes,
            "evidence": [self._combination(row, column) for column in combinations],
        }

    def _combination(self, row: int, column: int) -> dict[str, Any]:
        """Word one combination of classes."""
        label, contrast = named(self._factors[row, column], self._manifest.labels)
        maps = [each[row, column] for each in self._evidence.maps]
        height, width = self._manifest.image_height, self._manifest.image_width
        whole = np.sum([spread(each, height, width) for each in maps], axis=0)
        layers = [
            {
                "layer": layer.name,
                "contribution": float(each.sum(dtype=np.float64)),
                "map": each.tolist(),
            }
            for layer, each in zip(self._manifest.layers, maps, strict=True)
        ]
        return {
            "label": label,
            "contrast": contrast,
            "goodness": sum(layer["contribution"] for layer in layers),
            "residual": float(self._residuals[row, column]),
            "layers": layers,
            "map": whole.tolist(),
            "channels": self._channels(row, column),
        }

    def _channels(self, row: int, column: int) -> list[dict[str, Any]]:
        """Word the channels that speak loudest, for or against."""
        parts = self._evidence.channels[row, column]
        order = np.argsort(-np.abs(parts), kind="stable")[: self._num_channels]
        shares = self._assignment @ self._factors[row, column]
        activity = self._evidence.activity[row]
        return [
            {
                "layer": self._owners[place][0],
                "channel": self._owners[place][1],
                "assignment": float(shares[place]),
                "activity": float(activity[place]),
                "contribution": float(parts[place]),
            }
            for place in order.tolist()
        ]
