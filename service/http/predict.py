"""`POST /predict`: classes and their probabilities."""

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl

import numpy as np
from pydantic import ValidationError

from model.artifact.manifest import Manifest
from model.artifact.outputs import LAYERS_USED
from service.errors import UnprocessableError, describe
from service.http.answer import Wording, is_large, word
from service.http.endpoint import Answer, Asked, ImageEndpoint
from service.http.form import Form
from service.http.schemas import Options
from service.http.sets import check_calibrated
from service.predict.answers import Answers

_DEFAULTS = Options()


@dataclass(frozen=True)
class PredictEndpoint(ImageEndpoint):
    """Classifies the images of one request."""

    async def answer(self, asked: Asked) -> Answer:
        """Give the answer's JSON.

        Raises:
            ServiceError: there is none.
        """
        options = _options(asked.query, asked.form)
        wording = Wording(options.top_k, options.explain, options.confidence, self.familiar_from)
        answers = await self.predictor.predict(
            asked.form.images,
            explain=wording.explain,
            timeout_s=asked.timeout_s,
            wanted=asked.model,
            check=_anything if wording.confidence is None else check_calibrated,
        )
        self._count_answers(answers, explained=wording.explain)
        if is_large(answers, wording):
            return Answer(await asyncio.to_thread(word, answers, wording))
        return Answer(word(answers, wording))

    def _count_answers(self, answers: Answers, *, explained: bool) -> None:
        """Tell the metrics what was answered."""
        if answers.familiarity is not None:
            known = [percentile for percentile in answers.familiarity if percentile is not None]
            self.metrics.familiarity(answers.id, known)
        scores, parts = answers.outputs.scores, answers.outputs.contributions
        self.metrics.top_goodness(answers.id, scores.max(axis=1).tolist())
        used = answers.outputs.optional.get(LAYERS_USED)
        if used is not None:
            is_early = used < len(answers.manifest.layers)
            self.metrics.early(answers.id, int(is_early.sum()))
        # They may be there because somebody else in the batch asked for them.
        if explained and parts is not None:
            rows = parts[np.arange(len(parts)), :, scores.argmax(axis=1)].tolist()
            names = [layer.name for layer in answers.manifest.layers]
            self.metrics.contributions(answers.id, names, rows)


def _anything(_: Manifest) -> None:
    """Take every version."""


def _options(query: bytes, form: Form) -> Options:
    """Lay the body's options over the query's.

    Raises:
        UnprocessableError: one is unknown or out of range.
    """
    if not query and not form.options:
        return _DEFAULTS
    given: dict[str, object] = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    try:
        if given and form.options:
            Options.model_validate(given)  # wrong, even where the body wins
        return Options.model_validate({**given, **form.options})
    except ValidationError as error:
        raise UnprocessableError("bad-option", describe(error)) from error
