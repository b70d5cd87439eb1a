"""From scores to an answer: the top classes, and each layer's part in them."""

from typing import Any, NamedTuple

import msgspec

from model.artifact.manifest import Manifest
from model.artifact.outputs import LAYERS_USED, Scores
from model.artifact.settling import settling_layers
from service.http.sets import conformal_sets
from service.predict.answers import Answers

# Wording this many numbers takes about a millisecond.
_LARGE_ANSWER_NUMBERS = 2000


class Part(msgspec.Struct, gc=False):
    """One layer's part in a class's goodness.

    Made and written in half the time of a dict: an answer of 200 classes has 800 of them.
    """

    layer: str
    contribution: float


class Wording(NamedTuple):
    """What to say of each image.

    Attributes:
        top_k: classes per image, most probable first; at most K are given.
        explain: whether to give the layers' contributions, which sum to the goodness.
        confidence: of the set of classes; None: no set.
        familiar_from: the percentile from which an image counts as familiar.
    """

    top_k: int
    explain: bool
    confidence: float | None
    familiar_from: float


def word(answers: Answers, wording: Wording) -> bytes:
    """Word one version's answers to n images as JSON, in the form of `schemas.PredictResponse`."""
    outputs = answers.outputs
    scores = outputs.scores.tolist()
    order = [_top(row, wording.top_k) for row in scores]
    columns = (
        order,
        outputs.probabilities.tolist(),
        scores,
        _parts(answers, order) if wording.explain else [None] * len(order),
    )
    labels = answers.manifest.labels
    predictions = [_prediction(labels, *image) for image in zip(*columns, strict=True)]
    layers_used = _layers_used(answers)
    for prediction, count in zip(predictions, layers_used, strict=True):
        prediction["layers_used"] = count
    for prediction, percentile in zip(predictions, answers.familiarity or (), strict=False):
        prediction.update(familiar_words(percentile, wording.familiar_from))
    if wording.confidence is not None:
        both = outputs.scores, outputs.probabilities
        sets = conformal_sets(answers.manifest, *both, wording.confidence, layers_used)
        for prediction, labels_in in zip(predictions, sets, strict=True):
            prediction["conformal_set"] = labels_in
    if wording.explain:
        settled = settled_words(answers.manifest, _contributions(answers), outputs.scores)
        for prediction, words in zip(predictions, settled, strict=True):
            prediction["settled_at"] = words
    model = {"name": answers.id.name, "version": answers.id.version}
    return msgspec.json.encode({"model": model, "predictions": predictions})


def is_large(answers: Answers, wording: Wording) -> bool:
    """Tell whether wording takes so long that the event loop should not do it."""
    classes = len(answers.manifest.labels)
    per_class = len(answers.manifest.layers) if wording.explain else 2
    in_sets = 0 if wording.confidence is None else classes
    per_image = min(wording.top_k, classes) * per_class + in_sets
    return len(answers.outputs.scores) * per_image > _LARGE_ANSWER_NUMBERS


def familiar_words(percentile: float | None, familiar_from: float) -> dict[str, Any]:
    """Word how familiar an image is; None: nothing says."""
    is_familiar = None if percentile is None else percentile >= familiar_from
    return {"familiarity": percentile, "is_familiar": is_familiar}


def settled_words(manifest: Manifest, contributions: Scores, scores: Scores) -> list[Any]:
    """Word for each image at which layer its answer settled."""
    names = [layer.name for layer in manifest.layers]
    places = settling_layers(contributions, scores).tolist()
    return [{"layer": names[place], "index": place} for place in places]


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
    names = [layer.name for layer in answers.manifest.layers]
    by_class = _contributions(answers).transpose(0, 2, 1)
    return [
        [list(map(Part, names, parts)) for parts in image[classes].tolist()]
        for image, classes in zip(by_class, order, strict=True)
    ]


def _contributions(answers: Answers) -> Scores:
    contributions = answers.outputs.contributions
    assert contributions is not None  # noqa: S101  they were asked for
    return contributions
