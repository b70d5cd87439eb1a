"""`POST /v2/models/NAME/infer`: an inference request to one model, by the predictor's lanes."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import fastapi
from pydantic import ValidationError

from model.artifact.manifest import Manifest
from model.artifact.outputs import CONTRIBUTIONS, FAMILIARITY
from service.errors import ConflictError, UnprocessableError, describe
from service.http.body import Receive, read_body
from service.http.count import count_answers
from service.http.endpoint import Answer, Endpoint, Scope, model_of
from service.http.form import LARGE_BODY_BYTES
from service.http.head import read_head
from service.http.question import question
from service.http.schemas import ExplainOptions
from service.http.v2.arrays import Arrays, of_answers, of_evidence, shaped
from service.http.v2.errors import write_error
from service.http.v2.inputs import count_images, take_images
from service.http.v2.outputs import CLASS, CONTRAST, EVIDENCE, Asked, Response, outputs_asked, write
from service.http.v2.request import Parsed, json_length, parameter, parse, timeout_s
from service.predict.answers import Answers
from service.predict.evidence import Question
from service.predict.lane import Lane
from service.predict.trial import Ran

T = TypeVar("T")


class Found(NamedTuple):
    """What one version says.

    Attributes:
        response: to be written.
        names: of the outputs that are asked for.
        answers: of a plain run; None where scores were taken apart.
    """

    response: Response
    names: set[str]
    answers: Answers | None


class InferEndpoint(Endpoint):
    """Answers inference requests; the path names the model and, if at all, its version."""

    def write_error(self, status: HTTPStatus, kind: str, detail: str) -> fastapi.Response:
        """Word an error as the protocol does."""
        return write_error(status, kind, detail)

    async def reply(self, scope: Scope, receive: Receive) -> Answer:
        """Read a request and answer it.

        Raises:
            ServiceError: there is no answer.
        """
        head, length = read_head(scope["headers"]), json_length(scope)
        with self.admission.admit() as take:
            data = await read_body(receive, head.declared, self.limits, take)
            parsed = await _in_turn(partial(parse, data, length), aside=_is_large(data))
            count = count_images(parsed, self.limits.max_images)
            wait_s = timeout_s(parsed.request, head.timeout_s)
            wanted = model_of(scope["path_params"], head)
            run = partial(_run, parsed, aside=_is_large(data))
            found = await self.predictor.answered(count, run, timeout_s=wait_s, wanted=wanted)
            if found.answers is not None:
                explained = CONTRIBUTIONS in found.names
                count_answers(self.metrics, found.answers, explained=explained)
            response = found.response
            return await _in_turn(partial(write, response), aside=response.is_large())


async def _run(parsed: Parsed, lane: Lane, wait_s: float | None, *, aside: bool) -> Ran[Found]:
    """Answer a request by one version.

    Raises:
        ServiceError: there is no answer.
    """
    manifest, request = lane.version.manifest, parsed.request
    asked = outputs_asked(request, manifest)
    names = {each.name for each in asked}
    images = await _in_turn(partial(take_images, parsed, manifest), aside=aside)
    asks = evidence_asked(asked, manifest, len(images))
    answers = None
    if asks is not None:
        explained = await lane.explain(images, asks, timeout_s=wait_s)
        scores, arrays = explained.evidence.scores, await asyncio.to_thread(of_evidence, explained)
    else:
        explain = CONTRIBUTIONS in names
        answers = await lane.submit(images, explain=explain, timeout_s=wait_s)
        scores, arrays = answers.outputs.scores, of_answers(answers)
    if request is not None and request.outputs:
        _check_familiarity(names, arrays)
    tensors = [(each, shaped(each, arrays, manifest)) for each in asked if each.name in arrays]
    response = Response(lane.id, None if request is None else request.id, tensors)
    return Ran(Found(response, names, answers), images, manifest, scores)


def evidence_asked(asked: Sequence[Asked], manifest: Manifest, images: int) -> Question | None:
    """Say what is to be taken apart; None: nothing.

    Raises:
        UnprocessableError: a class is unknown, or there is too much to take apart.
    """
    for each in asked:
        if each.name == EVIDENCE:
            label = parameter(each.parameters, CLASS, str, None)
            contrast = parameter(each.parameters, CONTRAST, str, "")
            if label is not None and contrast:
                detail = f"{EVIDENCE} has {CLASS} and {CONTRAST}; send one of them"
                raise UnprocessableError("bad-field", detail)
            asks = question(
                manifest,
                _options(label, contrast),
                images,
                asks_familiarity=any(other.name == FAMILIARITY for other in asked),
            )
            if len(asks.by_class) != 1:
                raise UnprocessableError("bad-field", f"{CLASS} names one class")
            return asks
    return None


def _options(label: str | None, contrast: str) -> ExplainOptions:
    try:
        return ExplainOptions(
            classes=() if label is None else (label,), contrast=(contrast,) if contrast else ()
        )
    except ValidationError as error:
        raise UnprocessableError("bad-field", describe(error)) from error


def _check_familiarity(names: set[str], arrays: Arrays) -> None:
    """Refuse what is named and was not computed; where nothing is named it is left out.

    Raises:
        ConflictError: familiarity is among it.
    """
    if FAMILIARITY in names and FAMILIARITY not in arrays:
        detail = (
            f"the answer was given too early to say the {FAMILIARITY}; do not name it, then it is "
            "given where it is known"
        )
        raise ConflictError("no-familiarity", detail)


def _is_large(data: bytes) -> bool:
    return len(data) >= LARGE_BODY_BYTES


async def _in_turn(work: Callable[[], T], *, aside: bool) -> T:
    """Work here if that is quick, else in a thread: the event loop has others to answer."""
    return await asyncio.to_thread(work) if aside else work()
