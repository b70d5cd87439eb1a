"""`POST /predict`: classes and their probabilities."""

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pydantic import ValidationError

from model.artifact.manifest import Manifest
from service.errors import UnprocessableError, describe
from service.http.answer import Wording, is_large, word
from service.http.count import count_answers
from service.http.endpoint import Answer, Asked, ImageEndpoint
from service.http.form import Form
from service.http.schemas import Options
from service.http.sets import check_calibrated

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
        count_answers(self.metrics, answers, explained=wording.explain)
        if is_large(answers, wording):
            return Answer(await asyncio.to_thread(word, answers, wording))
        return Answer(word(answers, wording))


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
