"""One run of the active model on the images of several callers."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.artifact.image import Pixels
from model.artifact.outputs import Outputs, Scores
from service.errors import OurFaultError, ServiceError
from service.registry import LoadedModel, Registry


class SizeChangedError(Exception):
    """A version with another input size became active while the images waited."""


@dataclass(frozen=True)
class Answers:
    """What one version says of one caller's n images.

    Attributes:
        model: the version that answered.
        scores: `(n, K)`, float32.
        probabilities: `(n, K)`, float32.
        contributions: `(n, L, K)`, float32, summing over L to the scores.
    """

    model: LoadedModel
    scores: Scores
    probabilities: Scores
    contributions: Scores


def batch_runner(
    registry: Registry, on_batch: Callable[[int], None]
) -> Callable[[Sequence[Pixels]], list[Answers | Exception]]:
    """Make the function that runs a batch; it looks the active model up once."""

    def run(groups: Sequence[Pixels]) -> list[Answers | Exception]:
        try:
            model = registry.require()
        except ServiceError as error:
            return [error] * len(groups)
        fits = [group.shape[1:] == model.shape for group in groups]
        ready = [group for group, does in zip(groups, fits, strict=True) if does]
        answers = iter(_answer(model, ready, on_batch) if ready else [])
        return [next(answers) if does else SizeChangedError() for does in fits]

    return run


def _answer(
    model: LoadedModel, groups: Sequence[Pixels], on_batch: Callable[[int], None]
) -> list[Answers]:
    batch = groups[0] if len(groups) == 1 else np.concatenate(groups)
    on_batch(len(batch))
    try:
        outputs = model.session(batch)
    except Exception as error:  # onnxruntime's own errors share no public base
        detail = "the model failed on this input; the service's log says why"
        raise OurFaultError("inference-failed", detail) from error
    edges = itertools.accumulate((len(group) for group in groups), initial=0)
    return [_answers(model, outputs.rows(start, stop)) for start, stop in itertools.pairwise(edges)]


def _answers(model: LoadedModel, outputs: Outputs) -> Answers:
    assert outputs.contributions is not None  # noqa: S101  every output was asked for
    return Answers(model, outputs.scores, outputs.probabilities, outputs.contributions)
