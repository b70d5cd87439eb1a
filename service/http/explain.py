"""`POST /explain`: scores taken apart by layer, channel and position, as numbers or a picture."""

import asyncio
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from pydantic import ValidationError

from model.artifact.manifest import Manifest
from service.errors import UnprocessableError, describe
from service.http.classes import pair_of, places_of
from service.http.endpoint import Answer, Asked, ImageEndpoint
from service.http.overlay import draw
from service.http.parts import word_parts
from service.http.schemas import ExplainOptions
from service.http.sets import check_calibrated
from service.predict.evidence import Question

PNG = "image/png"
MOST_CLASSES = 16
# Images times classes: each is some 2,500 numbers, which take a millisecond to word.
MOST_PARTS = 64
_LISTS = ("classes", "contrast")


class ExplainEndpoint(ImageEndpoint):
    """Takes the answers to the images of one request apart."""

    async def answer(self, asked: Asked) -> Answer:
        """Give the parts as JSON, or one image's evidence as a picture.

        Raises:
            ServiceError: there is no answer.
        """
        options = _options(asked.query, asked.form.options)
        wants_picture = PNG in asked.accept
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
            return Answer(await asyncio.to_thread(picture), PNG.encode())
        # A map has a thousand numbers: the event loop has others to answer.
        words = partial(
            word_parts, explained, options.channels, options.confidence, self.familiar_from
        )
        return Answer(await asyncio.to_thread(words))


def question(
    manifest: Manifest,
    options: ExplainOptions,
    images: int = 1,
    *,
    asks_familiarity: bool = False,
) -> Question:
    """Say what to take apart: the classes asked for, or the most probable one.

    Args:
        manifest: of the version that answers.
        options: what the caller chose.
        images: of the request.
        asks_familiarity: whether to say how familiar they are.

    Raises:
        UnprocessableError: a class or a layer is unknown, or there are too many.
        ConflictError: a set of classes is wanted of a version that is not calibrated.
    """
    labels = manifest.labels
    if options.confidence is not None:
        check_calibrated(manifest)
    if options.layer is not None and options.layer not in {each.name for each in manifest.layers}:
        known = ", ".join(each.name for each in manifest.layers)
        detail = f"there is no layer {options.layer[:50]!r}; there are {known}"
        raise UnprocessableError("unknown-layer", detail)
    wanted, pair = places_of(options.classes, labels), pair_of(options.contrast, labels)
    count = len(wanted) + bool(pair) or 1
    if count > MOST_CLASSES:
        detail = f"{count} classes are asked for, the limit is {MOST_CLASSES}"
        raise UnprocessableError("too-many-classes", detail)
    if count * images > MOST_PARTS:
        detail = (
            f"{count} classes of {images} images are {count * images} explanations, the limit for "
            f"one request is {MOST_PARTS}; send several requests"
        )
        raise UnprocessableError("too-many-classes", detail)
    by_class = np.zeros((count, len(labels)), np.float32)
    by_rank = np.zeros_like(by_class)
    for row, column in enumerate(wanted):
        by_class[row, column] = 1
    if pair:
        by_class[-1, pair[0]] += 1
        by_class[-1, pair[1]] -= 1
    elif not wanted:
        by_rank[0, 0] = 1
    return Question(by_class, by_rank, asks_familiarity)


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
