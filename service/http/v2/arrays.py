"""From what a lane says to arrays by the outputs' names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.artifact.evidence import Floats
from model.artifact.manifest import Manifest
from model.artifact.outputs import CONTRIBUTIONS, FAMILIARITY, PROBABILITIES, SCORES
from model.artifact.spread import spread
from service.http.v2.outputs import EVIDENCE, LABELS, Asked, Tensor, classified
from service.predict.answers import Answers, Explained

Arrays = dict[str, Tensor]


def of_answers(answers: Answers) -> Arrays:
    """Name the outputs of a plain run; contributions and familiarity where there are any."""
    outputs = answers.outputs
    arrays = _of_every_run(answers.manifest, outputs.scores, outputs.probabilities)
    if outputs.contributions is not None:
        arrays[CONTRIBUTIONS] = outputs.contributions
    return arrays | _familiarity(answers.familiarity)


def of_evidence(explained: Explained) -> Arrays:
    """Name the outputs of a run that takes scores apart, by one combination of classes."""
    evidence, manifest = explained.evidence, explained.manifest
    arrays = _of_every_run(manifest, evidence.scores, evidence.probabilities)
    arrays[CONTRIBUTIONS] = evidence.contributions
    arrays[EVIDENCE] = _maps(evidence.maps, manifest)
    return arrays | _familiarity(explained.familiarity)


def shaped(asked: Asked, arrays: Arrays, manifest: Manifest) -> Tensor:
    """Give one output in the form that is asked for: its numbers, or its highest classes."""
    array: NDArray[Any] = arrays[asked.name]
    if asked.classes is None:
        return array
    return classified(array, asked.classes, manifest.labels)


def _familiarity(percentiles: Sequence[float | None] | None) -> Arrays:
    """Name familiarity where every image has it: the protocol's tensors have no gaps."""
    if percentiles is None or None in percentiles:
        return {}
    return {FAMILIARITY: np.array(percentiles, np.float32)}


def _of_every_run(manifest: Manifest, scores: Floats, probabilities: Floats) -> Arrays:
    labels = [manifest.labels[place] for place in scores.argmax(axis=1).tolist()]
    return {
        LABELS: np.array(labels, dtype=object),
        PROBABILITIES: probabilities,
        SCORES: scores,
    }


def _maps(maps: tuple[Floats, ...], manifest: Manifest) -> Floats:
    """Add the layers' maps of the one combination up on the input's grid, `(N, H, W)`."""
    height, width = manifest.image_height, manifest.image_width
    whole: Floats = np.sum([spread(each[:, 0], height, width) for each in maps], axis=0)
    return whole
