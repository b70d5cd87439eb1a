"""Tells the metrics what was answered, whichever endpoint answered it."""

import numpy as np

from model.artifact.outputs import LAYERS_USED
from service.answer_metrics import AnswerMetrics
from service.predict.answers import Answers


def count_answers(metrics: AnswerMetrics, answers: Answers, *, explained: bool) -> None:
    """Count what a version said of the images of one request.

    Args:
        metrics: that hear of it.
        answers: of that version.
        explained: whether the caller asked for contributions: they may be there because somebody
            else in the batch did.
    """
    if answers.familiarity is not None:
        known = [percentile for percentile in answers.familiarity if percentile is not None]
        metrics.familiarity(answers.id, known)
    scores, parts = answers.outputs.scores, answers.outputs.contributions
    metrics.top_goodness(answers.id, scores.max(axis=1).tolist())
    used = answers.outputs.optional.get(LAYERS_USED)
    if used is not None:
        is_early = used < len(answers.manifest.layers)
        metrics.early(answers.id, int(is_early.sum()))
    if explained and parts is not None:
        rows = parts[np.arange(len(parts)), :, scores.argmax(axis=1)].tolist()
        names = [layer.name for layer in answers.manifest.layers]
        metrics.contributions(answers.id, names, rows)
