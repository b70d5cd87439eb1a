"""From scores to an answer: the top classes, and each layer's part in them."""

import numpy as np

from model.contract import Manifest, Scores
from service.inference import Answers
from service.schemas import (
    ClassScore,
    LayerContribution,
    ModelName,
    Prediction,
    PredictResponse,
)


def respond(answers: Answers, top_k: int, *, explain: bool) -> PredictResponse:
    """Word one version's answers.

    Args:
        answers: of n images.
        top_k: classes per image, most probable first; at most K are given.
        explain: whether to give the layers' contributions, which sum to the goodness.
    """
    model = answers.model
    rows = zip(answers.scores, answers.probabilities, answers.contributions, strict=True)
    return PredictResponse(
        model=ModelName(name=model.id.name, version=model.id.version),
        predictions=[_prediction(model.manifest, *row, top_k, explain=explain) for row in rows],
    )


def _prediction(
    manifest: Manifest,
    scores: Scores,
    probabilities: Scores,
    contributions: Scores,
    top_k: int,
    *,
    explain: bool,
) -> Prediction:
    """Word one image's `(K,)` scores and probabilities and `(L, K)` contributions."""
    order = np.argsort(-scores, kind="stable")[:top_k].tolist()
    classes = [
        ClassScore(
            label=manifest.labels[k],
            probability=float(probabilities[k]),
            goodness=float(scores[k]),
            layers=_layers(manifest, contributions[:, k]) if explain else None,
        )
        for k in order
    ]
    return Prediction(
        label=classes[0].label, probability=classes[0].probability, classes=classes
    )


def _layers(manifest: Manifest, contributions: Scores) -> list[LayerContribution]:
    pairs = zip(manifest.layers, contributions.tolist(), strict=True)
    return [LayerContribution(layer=layer.name, contribution=part) for layer, part in pairs]
