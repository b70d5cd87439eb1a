"""`POST /explain`: scores taken apart by layer, channel and position, as numbers or a picture."""

import asyncio
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from service.errors import UnprocessableError, describe
from service.http.accept import preferred
from service.http.endpoint import Answer, Asked, ImageEndpoint
from service.http.head import VERSION_HEADER
from service.http.overlay import draw
from service.http.parts import word_parts
from service.http.question import question
from service.http.schemas import ExplainOptions

PNG = "image/png"
_OFFERS = ("application/json", PNG)
_LISTS = ("classes", "contrast")


class ExplainEndpoint(ImageEndpoint):
    """Takes the answers to the images of one request apart."""

    form_options = ()

    async def answer(self, asked: Asked) -> Answer:
        """Give the parts as JSON, or one image's evidence as a picture.

        Raises:
            ServiceError: there is no answer.
        """
        options = _options(asked.query, asked.form.options)
        wants_picture = preferred(asked.accept, _OFFERS) == PNG
        if wants_picture and len(asked.form.images) != 1:
            detail = f"{PNG} shows one image, this request has {len(asked.form.images)}"
            raise UnprocessableError("one-image", detail)
        images = len(asked.form.images)
        ask = partial(question, options=options, images=images, asks_familiarity=not wants_picture)
        explained = await self.predictor.explain(
            asked.form.images, ask, timeout_s=asked.timeout_s, wanted=asked.model
        )
        if wants_picture:
            picture = partial(draw, explained, asked.form.images[0], options.layer)
            version = (VERSION_HEADER, explained.id.version.encode())
            return Answer(await asyncio.to_thread(picture), PNG.encode(), (version,))
        # A map has a thousand numbers: the event loop has others to answer.
        words = partial(
            word_parts, explained, options.channels, options.confidence, self.familiar_from
        )
        return Answer(await asyncio.to_thread(words))


def _options(query: bytes, beside: dict[str, object]) -> ExplainOptions:
    """Read the query, in which a list may be given at once or piece by piece.

    Raises:
        UnprocessableError: an option is unknown or out of range, or stands in the body.
    """
    if beside:
        names = ", ".join(beside)
        detail = f"{names}: the options of /explain stand in the query"
        raise UnprocessableError("bad-option", detail)
    given: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in _LISTS:
            given[name] = (*given.get(name, ()), value)
        else:
            given[name] = value
    try:
        return ExplainOptions.model_validate(given)
    except ValidationError as error:
        raise UnprocessableError("bad-option", describe(error)) from error
