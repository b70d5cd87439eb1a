"""From scores to an answer: the top classes, and each layer's part in them."""

import numpy as np

from model.artifact.manifest import Manifest
from model.artifact.outputs import Scores
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
    images = range(len(answers.scores))
    return PredictResponse(
        model=ModelName(name=model.id.name, version=model.id.version),
        predictions=[_prediction(answers, i, top_k, explain=explain) for i in images],
    )


def _prediction(answers: Answers, image: int, top_k: int, *, explain: bool) -> Prediction:
    """Word the answer to one of the n images."""
    manifest = answers.model.manifest
    scores, probabilities = answers.scores[image], answers.probabilities[image]
    contributions = answers.contributions[image]
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
    return Prediction(label=classes[0].label, probability=classes[0].probability, classes=classes)


def _layers(manifest: Manifest, contributions: Scores) -> list[LayerContribution]:
    pairs = zip(manifest.layers, contributions.tolist(), strict=True)
    return [LayerContribution(layer=layer.name, contribution=part) for layer, part in pairs]
