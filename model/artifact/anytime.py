"""What a manifest says about stopping early: the network cut in two, and when to stop between."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from model.artifact.outputs import BATCH_AXIS, CONTRIBUTIONS, Frozen, Scores, TensorSpec
from model.artifact.sha256 import Sha256

# The tensor between the two graphs.
PASSED = "passed"
PREFIX_FILE, SUFFIX_FILE = "prefix.onnx", "suffix.onnx"


class Threshold(Frozen):
    """How sure the prefix must be.

    Attributes:
        confidence: the fraction of the validation images stopped here that the whole network
            gives the same class.
        probability: the least top-class probability of the prefix at which it stops.
    """

    confidence: float = Field(gt=0, le=1)
    probability: float = Field(ge=0, le=1)


class Anytime(Frozen):
    """The network cut after a prefix of its layers, in two more graphs of the version.

    Attributes:
        prefix_layers: p, the layers that always run.
        passed: what layer p passes on: output of the prefix, input of the suffix.
        prefix_sha256: of `prefix.onnx`, images to `passed` and contributions `(N, p, K)`.
        suffix_sha256: of `suffix.onnx`, `passed` to contributions `(N, L - p, K)`.
        temperature: of the prefix's own probabilities.
        thresholds: by rising confidence; none where the prefix is never sure enough.
    """

    prefix_layers: int = Field(ge=1)
    passed: TensorSpec
    prefix_sha256: Sha256
    suffix_sha256: Sha256
    temperature: float = Field(gt=0)
    thresholds: tuple[Threshold, ...]

    @model_validator(mode="after")
    def _thresholds_rise(self) -> Self:
        for lower, higher in pairwise(self.thresholds):
            if higher.confidence <= lower.confidence or higher.probability < lower.probability:
                message = "thresholds must rise, in confidence and in probability"
                raise ValueError(message)
        return self

    @property
    def files(self) -> Mapping[str, str]:
        """The sha256 of each graph file, by its name."""
        return {PREFIX_FILE: self.prefix_sha256, SUFFIX_FILE: self.suffix_sha256}

    def probability(self, confidence: float) -> float | None:
        """Give the prefix's top-class probability at which it stops with so much confidence.

        Returns:
            That of the least stored confidence which is enough; None where none is.
        """
        enough = (each.probability for each in self.thresholds if each.confidence >= confidence)
        return next(enough, None)


def contributions_spec(num_layers: int, num_classes: int) -> TensorSpec:
    """Describe the contributions of some of the layers."""
    shape = (BATCH_AXIS, num_layers, num_classes)
    return TensorSpec(name=CONTRIBUTIONS, dtype="float32", shape=shape)


def softmax(scores: Scores, temperature: float) -> Scores:
    """Turn `(N, K)` scores into probabilities, whose rows sum to 1, as the graph does."""
    cooled = scores / np.float32(temperature)
    powers = np.exp(cooled - cooled.max(axis=1, keepdims=True))
    probabilities: Scores = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
