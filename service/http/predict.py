"""`POST /predict` as a plain ASGI application: what every request passes through, and no more."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Response
from pydantic import ValidationError

from service.errors import BusyError, ServiceError, UnprocessableError, describe
from service.http.answer import is_large, word
from service.http.body import BodyLimits, Receive, read_body
from service.http.form import Form, parse_form
from service.http.problems import problem_of, unexpected
from service.http.schemas import Options
from service.metrics import Metrics, outcome_of
from service.predict.admission import Admission
from service.predict.predictor import Predictor

log = logging.getLogger("goodserve")

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Of the scope's extensions, between this and `service.http.protocol`: how to cancel a request,
# and that it was turned away.
CANCEL, REFUSED = "goodserve.cancel", "goodserve.refused"
# Of the lifespan's state: a function that answers instead of the endpoint, or gives None.
TURN_AWAY = "goodserve.turn_away"
TIMEOUT_HEADER = b"x-request-timeout-ms"
_DEFAULTS = Options()
_JSON_HEADERS = (b"content-type", b"application/json")


@dataclass(frozen=True)
class PredictEndpoint:
    """Classifies the images of one request."""

    predictor: Predictor
    admission: Admission
    limits: BodyLimits
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, or problem details."""
        # The framework's error handlers are not above this: nothing may escape.
        started = time.perf_counter()
        error: Exception | None = None
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        # The server calls it if the caller hangs up: nobody would read the answer.
        scope["extensions"] = {CANCEL: task.cancel}
        try:
            body = await self._answer(scope, receive)
        except asyncio.CancelledError:
            self.metrics.request("disconnected", time.perf_counter() - started)
            return
        except ServiceError as caught:
            error = caught
        except Exception as caught:  # a bug of ours, and this caller must not wait for ever
            log.exception("answering a request failed")
            error = caught
        self.metrics.request(outcome_of(error), time.perf_counter() - started)
        if error is None:
            await _send_json(send, body)
        else:
            if isinstance(error, BusyError):
                scope["extensions"][REFUSED] = True
            await _respond(error)(scope, receive, send)

    def turn_away(self) -> Response | None:
        """Refuse a request of which nothing is known yet, if too much waits already."""
        try:
            self.predictor.check_wait()
        except BusyError as error:
            self.metrics.request(outcome_of(error), 0.0)
            return problem_of(error)
        return None

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        """Give the answer's JSON.

        Raises:
            ServiceError: there is none.
        """
        content_type, declared, timeout_s = _headers(scope)
        with self.admission.admit() as take:
            data = await read_body(receive, declared, self.limits, take)
            form = await parse_form(content_type, data, self.limits.max_images)
            options = _options(scope["query_string"], form)
            answers = await self.predictor.predict(
                form.images, explain=options.explain, timeout_s=timeout_s
            )
            if is_large(answers, options.top_k, explain=options.explain):
                return await asyncio.to_thread(
                    word, answers, options.top_k, explain=options.explain
                )
            return word(answers, options.top_k, explain=options.explain)


def _headers(scope: Scope) -> tuple[str, int | None, float | None]:
    """Give the Content-Type, the Content-Length, and the caller's timeout in seconds.

    Raises:
        UnprocessableError: the timeout is no whole number of milliseconds.
    """
    content_type, declared, timeout_s = "", None, None
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"content-length" and value.isdigit():
            declared = int(value)
        elif name == TIMEOUT_HEADER:
            if not value.isdigit():
                detail = "X-Request-Timeout-Ms must be a whole number of milliseconds"
                raise UnprocessableError("bad-timeout", detail)
            timeout_s = int(value) / 1000
    return content_type, declared, timeout_s


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


def _respond(error: Exception) -> Response:
    return problem_of(error) if isinstance(error, ServiceError) else unexpected()


async def _send_json(send: Send, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [_JSON_HEADERS, length]})
    await send({"type": "http.response.body", "body": body})
