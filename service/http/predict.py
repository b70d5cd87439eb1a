"""`POST /predict`: classes and their probabilities."""

import asyncio
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from pydantic import ValidationError

from service.errors import UnprocessableError, describe
from service.http.answer import is_large, word
from service.http.endpoint import Answer, Asked, ImageEndpoint
from service.http.form import Form
from service.http.schemas import Options

_DEFAULTS = Options()


@dataclass(frozen=True)
class PredictEndpoint(ImageEndpoint):
    """Classifies the images of one request.

    Attributes:
        familiar_from: the percentile from which an image counts as familiar.
    """

    familiar_from: float = 5.0

    async def answer(self, asked: Asked) -> Answer:
        """Give the answer's JSON.

        Raises:
            ServiceError: there is none.
        """
        options = _options(asked.query, asked.form)
        answers = await self.predictor.predict(
            asked.form.images,
            explain=options.explain,
            timeout_s=asked.timeout_s,
            wanted=asked.model,
        )
        if answers.familiarity is not None:
            self.metrics.familiarity(answers.id, answers.familiarity)
        top_k, explain = options.top_k, options.explain
        worded = partial(word, answers, top_k, explain=explain, familiar_from=self.familiar_from)
        if is_large(answers, top_k, explain=explain):
            return Answer(await asyncio.to_thread(worded))
        return Answer(worded())


def _options(query: bytes, form: Form) -> Options:
    """Lay the body's options over the query's.

    Raises:
        UnprocessableError: one is unknown or out of range.
    """
    if not query and not form.options:
        return _DEFAULTS
    given: dict[str, object] = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    try:
        return Options.model_validate({**given, **form.options})
    except ValidationError as error:
        raise UnprocessableError("bad-option", describe(error)) from error
