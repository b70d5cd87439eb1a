"""From scores to an answer: the top classes, and each layer's part in them."""

from typing import Any

import msgspec
import numpy as np

from service.predict.lane import Answers

# Wording this many numbers takes about a millisecond.
_LARGE_ANSWER_NUMBERS = 2000


def word(answers: Answers, top_k: int, *, explain: bool) -> bytes:
    """Word one version's answers as JSON, in the form of `schemas.PredictResponse`.

    Args:
        answers: of n images.
        top_k: classes per image, most probable first; at most K are given.
        explain: whether to give the layers' contributions, which sum to the goodness.
    """
    outputs = answers.outputs
    order = np.argsort(-outputs.scores, axis=1, kind="stable")[:, :top_k]
    columns = (
        order.tolist(),
        np.take_along_axis(outputs.probabilities, order, 1).tolist(),
        np.take_along_axis(outputs.scores, order, 1).tolist(),
        _parts(answers, order) if explain else [None] * len(order),
    )
    labels = answers.manifest.labels
    predictions = [_prediction(labels, *image) for image in zip(*columns, strict=True)]
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
    layers: list[list[dict[str, Any]]] | None,
) -> dict[str, Any]:
    """Word the answer to one image."""
    classes: list[dict[str, Any]] = [
        {"label": labels[k], "probability": probability, "goodness": score}
        for k, probability, score in zip(order, probabilities, goodness, strict=True)
    ]
    if layers is not None:
        for each, parts in zip(classes, layers, strict=True):
            each["layers"] = parts
    first = classes[0]
    return {"label": first["label"], "probability": first["probability"], "classes": classes}


def _parts(answers: Answers, order: np.ndarray) -> list[list[list[dict[str, Any]]]]:
    """Give each image's top classes their layers' contributions, in the layers' order."""
    contributions = answers.outputs.contributions
    assert contributions is not None  # noqa: S101  they were asked for
    chosen = np.take_along_axis(contributions, order[:, None, :], 2).transpose(0, 2, 1)
    names = [layer.name for layer in answers.manifest.layers]
    return [
        [
            [{"layer": name, "contribution": part} for name, part in zip(names, parts, strict=True)]
            for parts in image
        ]
        for image in chosen.tolist()
    ]
