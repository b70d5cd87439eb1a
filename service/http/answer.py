"""From scores to an answer: the top classes, and each layer's part in them."""

from typing import Any

import msgspec

from model.artifact.outputs import LAYERS_USED
from service.predict.answers import Answers

# Wording this many numbers takes about a millisecond.
_LARGE_ANSWER_NUMBERS = 2000


class Part(msgspec.Struct, gc=False):
    """One layer's part in a class's goodness.

    Made and written in half the time of a dict: an answer of 200 classes has 800 of them.
    """

    layer: str
    contribution: float


def word(answers: Answers, top_k: int, *, explain: bool, familiar_from: float = 5.0) -> bytes:
    """Word one version's answers as JSON, in the form of `schemas.PredictResponse`.

    Args:
        answers: of n images.
        top_k: classes per image, most probable first; at most K are given.
        explain: whether to give the layers' contributions, which sum to the goodness.
        familiar_from: the percentile from which an image counts as familiar.
    """
    outputs = answers.outputs
    scores = outputs.scores.tolist()
    order = [_top(row, top_k) for row in scores]
    columns = (
        order,
        outputs.probabilities.tolist(),
        scores,
        _parts(answers, order) if explain else [None] * len(order),
    )
    labels = answers.manifest.labels
    predictions = [_prediction(labels, *image) for image in zip(*columns, strict=True)]
    for prediction, count in zip(predictions, _layers_used(answers), strict=True):
        prediction["layers_used"] = count
    for prediction, percentile in zip(predictions, answers.familiarity or (), strict=False):
        prediction["familiarity"] = percentile
        prediction["is_familiar"] = percentile >= familiar_from
    model = {"name": answers.id.name, "version": answers.id.version}
    return msgspec.json.encode({"model": model, "predictions": predictions})


def is_large(answers: Answers, top_k: int, *, explain: bool) -> bool:
    """Tell whether wording takes so long that the event loop should not do it."""
    classes = len(answers.manifest.labels)
    per_class = len(answers.manifest.layers) if explain else 2
    return len(answers.outputs.scores) * min(top_k, classes) * per_class > _LARGE_ANSWER_NUMBERS


def _prediction(
    labels: tuple[str, ...],
    order: list[int],
    probabilities: list[float],
    goodness: list[float],
    layers: list[list[Part]] | None,
) -> dict[str, Any]:
    """Word the answer to one image."""
    classes: list[dict[str, Any]] = [
        {"label": labels[k], "probability": probabilities[k], "goodness": goodness[k]}
        for k in order
    ]
    if layers is not None:
        for each, parts in zip(classes, layers, strict=True):
            each["layers"] = parts
    first = classes[0]
    return {"label": first["label"], "probability": first["probability"], "classes": classes}


def _layers_used(answers: Answers) -> list[int]:
    """Say for each image how many layers ran: all of them, where nothing may stop early."""
    used = answers.outputs.optional.get(LAYERS_USED)
    if used is None:
        return [len(answers.manifest.layers)] * len(answers.outputs.scores)
    counts: list[int] = used.tolist()
    return counts


def _top(scores: list[float], top_k: int) -> list[int]:
    """Give the classes of the highest scores, the first of equal ones first.

    For the ten or so classes of most models sorting a list is faster than numpy.
    """
    return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:top_k]


def _parts(answers: Answers, order: list[list[int]]) -> list[list[list[Part]]]:
    """Give each image's top classes their layers' contributions, in the layers' order."""
    contributions = answers.outputs.contributions
    assert contributions is not None  # noqa: S101  they were asked for
    names = [layer.name for layer in answers.manifest.layers]
    by_class = contributions.transpose(0, 2, 1)
    return [
        [list(map(Part, names, parts)) for parts in image[classes].tolist()]
        for image, classes in zip(by_class, order, strict=True)
    ]
