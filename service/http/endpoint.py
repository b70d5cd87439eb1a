"""What every request with images passes through: admission, body, answer, errors; no framework."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

from fastapi import Response

from model.artifact.labels import LABEL_PATTERN
from model.artifact.version import RepositoryError, VersionId
from service.errors import BusyError, NotFoundError, ServiceError
from service.http.body import BodyLimits, Receive, read_body
from service.http.form import OPTION_FIELDS, Form, parse_form
from service.http.head import Head, read_head
from service.http.problems import Write, problem, problem_of, unexpected
from service.metrics import Metrics, outcome_of
from service.predict.admission import Admission
from service.predict.lanes import ANY, Wanted
from service.predict.predictor import Predictor

log = logging.getLogger("goodserve")

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Of the scope's extensions, between this and `service.http.protocol`: how to cancel a request,
# and that it was turned away.
CANCEL, REFUSED = "goodserve.cancel", "goodserve.refused"
MOST_SHOWN = 63
# Of the lifespan's state: a function that says why a request is refused before it is read, or None.
TURN_AWAY = "goodserve.turn_away"


class Asked(NamedTuple):
    """What a request asks.

    Attributes:
        form: its images, and the options beside them.
        query: the query's bytes.
        timeout_s: seconds that the caller will wait.
        accept: the media types that the caller takes.
        model: that the path names.
    """

    form: Form
    query: bytes
    timeout_s: float | None
    accept: str
    model: Wanted = ANY


class Answer(NamedTuple):
    """The body of a 200, its media type, and further headers."""

    body: bytes
    media_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class Endpoint(ABC):
    """Answers requests that hold images, as a plain ASGI application.

    Attributes:
        predictor: answers by the version that serves.
        admission: bounds what is in flight.
        limits: bounds each body.
        metrics: hears of every request.
        familiar_from: the percentile from which an image counts as familiar.
    """

    predictor: Predictor
    admission: Admission
    limits: BodyLimits
    metrics: Metrics
    familiar_from: float = 5.0

    @abstractmethod
    async def reply(self, scope: Scope, receive: Receive) -> Answer:
        """Read a request and answer it.

        Raises:
            ServiceError: there is no answer.
        """

    def write_error(self, status: HTTPStatus, kind: str, detail: str) -> Response:
        """Word an error."""
        return problem(status, kind, detail)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, or an error."""
        # The framework's error handlers are not above this: nothing may escape.
        started = time.perf_counter()
        answer: Answer | None = None
        error: Exception | None = None
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        # The server calls it if the caller hangs up: nobody would read the answer.
        scope["extensions"] = {CANCEL: task.cancel}
        try:
            answer = await self.reply(scope, receive)
        except asyncio.CancelledError:
            self._count("disconnected", started, scope)
            return
        except ServiceError as caught:
            error = caught
        except Exception as caught:  # a bug of ours, and this caller must not wait for ever
            log.exception("answering a request failed")
            error = caught
        self._count(outcome_of(error), started, scope)
        if answer is not None:
            await _send(send, answer)
        elif error is not None:
            if isinstance(error, BusyError):
                scope["extensions"][REFUSED] = True
            await _respond(error, self.write_error)(scope, receive, send)

    def _count(self, outcome: str, started: float, scope: Scope) -> None:
        """Tell the metrics how a request ended, and for which model."""
        # Of the loaded ones alone: a caller who makes names up makes no series.
        name = self.predictor.answering(scope.get("path_params", {}).get("name"))
        self.metrics.request(outcome, time.perf_counter() - started, name)

    def turn_away(self) -> BusyError | None:
        """Say why a request of which nothing is known yet is refused: too much waits already."""
        try:
            self.predictor.check_wait()
        except BusyError as error:
            self.metrics.request(outcome_of(error), 0.0)
            return error
        return None


class ImageEndpoint(Endpoint):
    """Takes images in one of the three ways of `parse_form`.

    Attributes:
        form_options: the options that may stand in a form.
    """

    form_options: ClassVar[tuple[str, ...]] = OPTION_FIELDS

    @abstractmethod
    async def answer(self, asked: Asked) -> Answer:
        """Answer what was asked.

        Raises:
            ServiceError: there is no answer.
        """

    async def reply(self, scope: Scope, receive: Receive) -> Answer:
        """Read a request and answer it.

        Raises:
            ServiceError: there is no answer.
        """
        head = read_head(scope["headers"])
        with self.admission.admit() as take:
            data = await read_body(receive, head.declared, self.limits, take)
            form = await parse_form(
                head.content_type, data, self.limits.max_images, self.form_options
            )
            query = scope["query_string"]
            model = model_of(scope.get("path_params", {}), head)
            return await self.answer(Asked(form, query, head.timeout_s, head.accept, model))


def model_of(path: Mapping[str, str], head: Head | None = None) -> Wanted:
    """Read which model path and headers name, if they do: the path's version wins.

    Raises:
        NotFoundError: no model can have that name, or no version that number or label.
    """
    pinned, key = (None, None) if head is None else (head.version, head.key)
    if not path and pinned is None and key is None:
        return ANY
    name, version, label = path.get("name"), path.get("version"), path.get("label")
    if version is None and label is None and pinned is not None:
        is_label = LABEL_PATTERN.fullmatch(pinned) is not None
        version, label = (None, pinned) if is_label else (pinned, None)
    try:
        VersionId("any" if name is None else name, "1" if version is None else version)
    except RepositoryError as error:
        raise NotFoundError("unknown-model", str(error)) from error
    if label is not None and LABEL_PATTERN.fullmatch(label) is None:
        detail = f"bad label {label[:MOST_SHOWN]!r}; use a-z, 0-9, '_', '-', a letter first"
        raise NotFoundError("unknown-model", detail)
    return Wanted(name, version, label, key)


def _respond(error: Exception, write: Write) -> Response:
    return problem_of(error, write) if isinstance(error, ServiceError) else unexpected(write)


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.media_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
