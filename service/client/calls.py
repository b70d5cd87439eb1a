"""Requests as values, and the answers to those with many images: no network in here."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from service.client.errors import GoodserveError, ProblemError, UnreadableError
from service.client.images import ImageLike, file_of
from service.client.options import DrawOptions, ExplainOptions, PredictOptions
from service.client.results import Limits, Prediction, predictions_of

JSON, PNG = "application/json", "image/png"
Outcome = Prediction | GoodserveError
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
        routing_key: by which the caller is drawn for trials.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    files: tuple[bytes, ...] = ()
    accept: str = JSON
    routing_key: str | None = None

    def keywords(self) -> dict[str, Any]:
        """Say the rest as httpx takes it."""
        given: dict[str, Any] = {"headers": {"Accept": self.accept}}
        if self.routing_key is not None:
            # As bytes: httpx sends text as ASCII alone.
            given["headers"]["X-Routing-Key"] = self.routing_key.encode()
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
    """Ask for classes."""
    path, params = _path("predict", options), _params(options)
    return Call("POST", path, params, tuple(files), routing_key=options.get("routing_key"))


def explain_call(file: bytes, options: ExplainOptions) -> Call:
    """Ask for a score taken apart."""
    return Call("POST", _path("explain", options), _params(options), (file,))


def draw_call(file: bytes, options: DrawOptions) -> Call:
    """Ask for evidence, drawn over its image."""
    return Call("POST", _path("explain", options), _params(options), (file,), PNG)


def _path(verb: str, options: PredictOptions | ExplainOptions | DrawOptions) -> str:
    model, version = options.get("model"), options.get("version")
    if model is None and version is None:
        return f"/{verb}"
    if model is None:
        message = f"version {version!r} needs the name of its model, model=..."
        raise ValueError(message)
    path = f"/models/{quote(model, safe='')}"
    if version is None:
        return f"{path}/{verb}"
    kind = "versions" if version.isdigit() else "labels"
    return f"{path}/{kind}/{quote(version, safe='')}/{verb}"


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


Talk = Generator[Call, "bytes | GoodserveError", list[Outcome]]


def ask_about(images: Iterable[ImageLike], options: PredictOptions, limits: Limits) -> Talk:
    """Ask about images, several with one request where they are small.

    It yields requests and is sent the bytes of each answer, or why there is none; reading the
    images happens in between. Where an image spoils its request, the others are asked about alone.

    Returns:
        An outcome for each image, in their order.
    """
    outcomes: list[Outcome] = []
    for group in _groups(images, limits):
        files = [each for each in group if isinstance(each, bytes)]
        answers = iter((yield from _answered(files, options)))
        outcomes += [next(answers) if isinstance(each, bytes) else each for each in group]
    return outcomes


def _answered(files: Sequence[bytes], options: PredictOptions) -> Talk:
    if not files:
        return []
    reply = yield predict_call(files, options)
    if isinstance(reply, bytes):
        return [*predictions_of(reply)]
    if len(files) == 1 or not (isinstance(reply, ProblemError) and reply.is_of_image):
        return [reply] * len(files)
    alone: list[Outcome] = []
    for file in files:
        alone += yield from _answered([file], options)
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


def stepped(talk: Talk, reply: bytes | GoodserveError | None) -> Call | list[Outcome]:
    """Tell it what came back; give what it asks for next, or what it has at the end."""
    try:
        return next(talk) if reply is None else talk.send(reply)
    except StopIteration as end:
        outcomes: list[Outcome] = end.value
        return outcomes
