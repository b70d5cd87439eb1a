"""The client for programs with an event loop; `service.client.sync` with await."""

import asyncio
import io
import itertools
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx
from PIL import Image

from service.client.calls import (
    MODELS,
    READY,
    Call,
    Outcome,
    Talk,
    ask_about,
    draw_call,
    explain_call,
    predict_call,
    stepped,
)
from service.client.chunks import at_most, chunks_of, in_order_of_loop
from service.client.defaults import BATCH_SIZE, CONCURRENCY, CONNECTIONS, URL, headers
from service.client.errors import GoodserveError, lost, problem_of
from service.client.images import ImageLike, read_apart
from service.client.options import DrawOptions, ExplainOptions, PredictOptions
from service.client.results import (
    Explanation,
    FilePrediction,
    Limits,
    Models,
    Prediction,
    Ready,
    explanation_of,
    predictions_of,
    read,
)
from service.client.retry import Patience, pause_s
from service.pictures import pictures_in
from service.progress import bar

T = TypeVar("T", bound=ImageLike)


class AsyncClient:
    """Asks a service; for one event loop. Close it, or use it as a context manager."""

    def __init__(  # noqa: PLR0913  each has a default
        self,
        base_url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        total_timeout: float = 120.0,
        max_retries: int = 5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            base_url: of the service.
            api_key: sent as `Authorization: Bearer`.
            timeout: seconds for one try to connect, or without a byte.
            total_timeout: seconds after which nothing is tried again.
            max_retries: of 429, 502 and 503 and of lost connections; 0: none.
            transport: carries the requests, in place of httpx' own.
        """
        self._patience = Patience(max_retries, total_timeout)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=headers(api_key),
            timeout=timeout,
            limits=CONNECTIONS,
            transport=transport,
        )
        self._limits: Limits | None = None

    async def __aenter__(self) -> Self:
        """Use the client within a block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(self, image: ImageLike, **options: Unpack[PredictOptions]) -> Prediction:
        """Classify one image.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        (prediction,) = predictions_of(
            await self._send(predict_call([await read_apart(image)], options))
        )
        return prediction

    async def predict_many(
        self,
        images: Iterable[ImageLike],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        **options: Unpack[PredictOptions],
    ) -> AsyncIterator[Prediction]:
        """Classify many images, in their order; they are taken as the answers are.

        Args:
            images: any number.
            concurrency: requests at once.
            batch_size: images in one request, at most what the service takes.
            options: as of `predict`.

        Raises:
            GoodserveError: there is no answer for one of them.
        """
        found = self._outcomes(images, concurrency, batch_size, options)
        async with aclosing(found) as outcomes:
            async for _, outcome in outcomes:
                if isinstance(outcome, GoodserveError):
                    raise outcome
                yield outcome

    async def predict_files(
        self,
        paths: Iterable[str | PathLike[str]],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        **options: Unpack[PredictOptions],
    ) -> AsyncIterator[FilePrediction]:
        """Classify files, in their order; those that are no images get an error each.

        Args:
            paths: of files.
            concurrency: requests at once.
            batch_size: images in one request, at most what the service takes.
            options: as of `predict`.

        Raises:
            GoodserveError: there is no answer, whatever the image.
        """
        found = self._outcomes(paths, concurrency, batch_size, options)
        async with aclosing(found) as outcomes:
            async for path, outcome in outcomes:
                if isinstance(outcome, Prediction):
                    yield FilePrediction(Path(path), outcome)
                elif outcome.is_of_image:
                    yield FilePrediction(Path(path), error=outcome)
                else:
                    raise outcome

    async def predict_folder(
        self,
        folder: str | PathLike[str],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        progress: bool = False,
        **options: Unpack[PredictOptions],
    ) -> AsyncIterator[FilePrediction]:
        """Classify the JPEG, PNG and WebP files in a folder and the folders below it.

        Args:
            folder: with any number of files.
            concurrency: requests at once.
            batch_size: images in one request, at most what the service takes.
            progress: whether to show a bar, where stderr is a terminal.
            options: as of `predict`.

        Raises:
            GoodserveError: there is no answer, whatever the image.
        """
        root = [Path(folder)]
        answers = self.predict_files(
            pictures_in(root), concurrency=concurrency, batch_size=batch_size, **options
        )
        with bar(root, shown=progress) as advance:
            async for each in answers:
                advance()
                yield each

    async def explain(self, image: ImageLike, **options: Unpack[ExplainOptions]) -> Explanation:
        """Take the scores of one image apart, as arrays.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        return explanation_of(await self._send(explain_call(await read_apart(image), options)))

    async def draw(self, image: ImageLike, **options: Unpack[DrawOptions]) -> Image.Image:
        """Draw the evidence over one image, with a legend.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        return Image.open(io.BytesIO(await self._send(draw_call(await read_apart(image), options))))

    async def models(self) -> Models:
        """List what serves, what is published, and what one request may hold.

        Raises:
            GoodserveError: there is no answer.
        """
        return read(Models, await self._send(MODELS))

    async def ready(self) -> Ready:
        """Say whether the service answers, and by which version; asked once, without retries.

        Raises:
            UnreachableError: nothing is there.
        """
        return read(Ready, await self._try(READY, also=503))

    async def _outcomes(
        self, images: Iterable[T], concurrency: int, batch_size: int, options: PredictOptions
    ) -> AsyncGenerator[tuple[T, Outcome], None]:
        """Ask about chunks side by side, each image with its outcome."""
        limits = await self._limits_of(batch_size)

        async def work(chunk: list[T]) -> list[tuple[T, Outcome]]:
            outcomes = await self._held(ask_about(chunk, options, limits))
            return list(zip(chunk, outcomes, strict=True))

        chunks = chunks_of(images, limits.images)
        async with aclosing(in_order_of_loop(chunks, work, concurrency)) as outcomes:
            async for each in outcomes:
                yield each

    async def _held(self, talk: Talk) -> list[Outcome]:
        """Send what it asks for until it has what it wants; files are read in threads."""
        step = await asyncio.to_thread(stepped, talk, None)
        while isinstance(step, Call):
            try:
                reply: bytes | GoodserveError = await self._send(step)
            except GoodserveError as error:
                reply = error
            step = await asyncio.to_thread(stepped, talk, reply)
        return step

    async def _limits_of(self, batch_size: int) -> Limits:
        """Ask once what one request may hold."""
        if self._limits is None:
            self._limits = (await self.models()).limits
        return at_most(self._limits, batch_size)

    async def _send(self, call: Call) -> bytes:
        """Send a request as often as it takes; give the body of its answer.

        Raises:
            GoodserveError: of the last try.
        """
        started = time.monotonic()
        for tries in itertools.count(1):
            try:
                return await self._try(call)
            except GoodserveError as error:
                passed_s = time.monotonic() - started
                chance = random.random()
                wait_s = pause_s(
                    self._patience, error, tries=tries, passed_s=passed_s, chance=chance
                )
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError

    async def _try(self, call: Call, also: int | None = None) -> bytes:
        """Send a request once.

        Args:
            call: the request.
            also: a status that is no error here.
        """
        try:
            response = await self._http.request(call.method, call.path, **call.keywords())
        except httpx.HTTPError as error:
            raise lost(error) from error
        if response.is_success or response.status_code == also:
            return response.content
        raise problem_of(response, time.time())
