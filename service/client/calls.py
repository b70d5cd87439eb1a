"""Requests as values, and the answers to those with many images: no network in here."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import httpx

from service.client.errors import GoodserveError, ProblemError, UnreadableError
from service.client.images import ImageLike, file_of
from service.client.named import header, name_in_path, version_in_path
from service.client.options import DrawOptions, ExplainOptions, PredictOptions
from service.client.results import (
    Explanation,
    Limits,
    Prediction,
    explanations_of,
    predictions_of,
)

A = TypeVar("A")

JSON, PNG = "application/json", "image/png"
# Requests much larger than this are no faster, and take memory on both sides.
_BATCH_BYTES = 2**20
# Headers of a part in a form.
_PART_BYTES = 256
_OPTIONS_IN_QUERY = ("top_k", "explain", "confidence", "channels", "layer")


class Call(NamedTuple):
    """One request.

    Attributes:
        method: of HTTP.
        path: below the base URL.
        params: of the query.
        files: images; one is sent as it is, several as a form.
        accept: the media type that is wanted.
        headers: beside those that its content has.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    files: tuple[bytes, ...] = ()
    accept: str = JSON
    headers: tuple[tuple[str, bytes], ...] = ()

    def keywords(self) -> dict[str, Any]:
        """Say the rest as httpx takes it."""
        given: dict[str, Any] = {"headers": {"Accept": self.accept, **dict(self.headers)}}
        if self.params:
            given["params"] = httpx.QueryParams(self.params)
        if len(self.files) == 1:
            given["content"] = self.files[0]
            given["headers"]["Content-Type"] = "application/octet-stream"
        elif self.files:
            given["files"] = [
                ("image", (str(number), file, "application/octet-stream"))
                for number, file in enumerate(self.files, start=1)
            ]
        return given


MODELS, READY = Call("GET", "/models"), Call("GET", "/health/ready")


def predict_call(files: Sequence[bytes], options: PredictOptions) -> Call:
    """Ask for classes.

    Raises:
        ValueError: model, version or routing key cannot be ones; so for all three.
        TypeError: one of them is of another type.
    """
    return _call("predict", options)._replace(files=tuple(files))


def explain_call(files: Sequence[bytes], options: ExplainOptions) -> Call:
    """Ask for scores taken apart."""
    return _call("explain", options)._replace(files=tuple(files))


def draw_call(file: bytes, options: DrawOptions) -> Call:
    """Ask for evidence, drawn over its image."""
    return _call("explain", options)._replace(files=(file,), accept=PNG)


def _call(verb: str, options: PredictOptions | ExplainOptions | DrawOptions) -> Call:
    """Say whom to ask, and what, before there are images."""
    model, version = options.get("model"), options.get("version")
    key = options.get("routing_key")
    head: dict[str, bytes] = {}
    if key is not None:
        head["X-Routing-Key"] = header("routing_key", key)
    path = "" if model is None else f"/models/{quote(name_in_path('model', model), safe='')}"
    if version is not None:
        named, is_number = version_in_path(version)
        if model is None:
            head["X-Model-Version"] = header("version", named)
        else:
            path += f"/{'versions' if is_number else 'labels'}/{quote(named, safe='')}"
    return Call("POST", f"{path}/{verb}", _params(options), headers=tuple(head.items()))


def _params(
    options: PredictOptions | ExplainOptions | DrawOptions,
) -> tuple[tuple[str, str], ...]:
    given: dict[str, Any] = {**options}
    plain = [
        (name, str(given[name]).lower() if isinstance(given[name], bool) else str(given[name]))
        for name in _OPTIONS_IN_QUERY
        if given.get(name) is not None
    ]
    lists = [
        (name, label)
        for name in ("classes", "contrast")
        for label in ([given[name]] if isinstance(given.get(name), str) else given.get(name) or ())
    ]
    return (*plain, *lists)


class Question(NamedTuple, Generic[A]):
    """What is asked about each of many images.

    Attributes:
        call: makes the request about some of them.
        answers: reads what comes back, in the images' order.
        explanations: that each image needs; the service bounds them by request.
    """

    call: Callable[[Sequence[bytes]], Call]
    answers: Callable[[bytes], list[A]]
    explanations: int = 0

    def within(self, limits: Limits) -> Limits:
        """Put no more images into one request than the service takes for this question."""
        if not self.explanations:
            return limits
        images = max(1, limits.explanations // self.explanations)
        return limits.holding(images)


def predicting(options: PredictOptions) -> Question[Prediction]:
    """Ask for classes; what cannot be asked is refused here, before there are images."""
    call = predict_call((), options)
    return Question(lambda files: call._replace(files=tuple(files)), predictions_of)


def explaining(options: ExplainOptions) -> Question[Explanation]:
    """Ask for scores taken apart, as `predicting` does."""
    call = explain_call((), options)
    named = options.get("classes") or ()
    texts = [named] if isinstance(named, str) else named
    # At most so many: a comma may also be part of a label.
    count = sum(1 + text.count(",") for text in texts) + bool(options.get("contrast"))
    return Question(lambda files: call._replace(files=tuple(files)), explanations_of, count or 1)


Talk = Generator[Call, bytes | GoodserveError, list[A | GoodserveError]]


def ask_about(images: Iterable[ImageLike], question: Question[A], limits: Limits) -> Talk[A]:
    """Ask about images, several with one request where they are small.

    It yields requests and is sent the bytes of each answer, or why there is none; reading the
    images happens in between. Where an image spoils its request, the others are asked about alone.

    Returns:
        An answer for each image, or why there is none, in their order.
    """
    outcomes: list[A | GoodserveError] = []
    for group in _groups(images, limits):
        files = [each for each in group if isinstance(each, bytes)]
        answers = iter((yield from _answered(files, question)))
        outcomes += [next(answers) if isinstance(each, bytes) else each for each in group]
    return outcomes


def _answered(files: Sequence[bytes], question: Question[A]) -> Talk[A]:
    if not files:
        return []
    reply = yield question.call(files)
    if isinstance(reply, bytes):
        return [*question.answers(reply)]
    if len(files) == 1 or not (isinstance(reply, ProblemError) and reply.is_of_image):
        return [reply] * len(files)
    alone: list[A | GoodserveError] = []
    for file in files:
        alone += yield from _answered([file], question)
    return alone


def _groups(images: Iterable[ImageLike], limits: Limits) -> Iterator[list[bytes | UnreadableError]]:
    """Read images, and put those together that one request may hold."""
    most_bytes = min(_BATCH_BYTES, limits.request_bytes // 2)
    group: list[bytes | UnreadableError] = []
    size = 0
    for image in images:
        try:
            read: bytes | UnreadableError = file_of(image)
        except UnreadableError as error:
            read = error
        own = len(read) + _PART_BYTES if isinstance(read, bytes) else 0
        if group and (size + own > most_bytes or len(group) == limits.images):
            yield group
            group, size = [], 0
        group.append(read)
        size += own
    if group:
        yield group


def stepped(talk: Talk[A], reply: bytes | GoodserveError | None) -> Call | list[A | GoodserveError]:
    """Tell it what came back; give what it asks for next, or what it has at the end."""
    try:
        return next(talk) if reply is None else talk.send(reply)
    except StopIteration as end:
        outcomes: list[A | GoodserveError] = end.value
        return outcomes
