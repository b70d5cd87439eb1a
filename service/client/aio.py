"""The client for programs with an event loop; `service.client.sync` with await."""

import io
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx
from PIL import Image

from service.client.calls import (
    MODELS,
    READY,
    draw_call,
    explain_call,
    explaining,
    predict_call,
    predicting,
)
from service.client.defaults import BATCH_SIZE, CONCURRENCY, CONNECTIONS, URL, headers
from service.client.images import ImageLike, read_apart
from service.client.many import Asked, AsyncMany
from service.client.options import DrawOptions, ExplainOptions, PredictOptions
from service.client.results import (
    Explanation,
    FilePrediction,
    Models,
    Prediction,
    Ready,
    explanations_of,
    predictions_of,
    read,
)
from service.client.retry import Patience
from service.client.sending import AsyncSender
from service.pictures import pictures_in
from service.progress import bar


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
        http = httpx.AsyncClient(
            base_url=base_url,
            headers=headers(api_key),
            timeout=timeout,
            limits=CONNECTIONS,
            transport=transport,
        )
        self._sender = AsyncSender(http, Patience(max_retries, total_timeout))
        self._many = AsyncMany(self._sender)

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
        await self._sender.http.aclose()

    async def predict(self, image: ImageLike, **options: Unpack[PredictOptions]) -> Prediction:
        """Classify one image.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        (prediction,) = predictions_of(
            await self._sender.send(predict_call([await read_apart(image)], options))
        )
        return prediction

    def predict_many(
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
        asked = Asked(predicting(options), concurrency, batch_size)
        return self._many.answers(images, asked)

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
        found = self._many.outcomes(paths, Asked(predicting(options), concurrency, batch_size))
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
        call = explain_call([await read_apart(image)], options)
        (explanation,) = explanations_of(await self._sender.send(call))
        return explanation

    def explain_many(
        self,
        images: Iterable[ImageLike],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        **options: Unpack[ExplainOptions],
    ) -> AsyncIterator[Explanation]:
        """Take the scores of many images apart, in their order, as `predict_many` asks.

        Args:
            images: any number.
            concurrency: requests at once.
            batch_size: images in one request, at most what the service takes: fewer, the more
                classes each is asked about.
            options: as of `explain`.

        Raises:
            GoodserveError: there is no answer for one of them.
        """
        asked = Asked(explaining(options), concurrency, batch_size)
        return self._many.answers(images, asked)

    async def draw(self, image: ImageLike, **options: Unpack[DrawOptions]) -> Image.Image:
        """Draw the evidence over one image, with a legend.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        return Image.open(
            io.BytesIO(await self._sender.send(draw_call(await read_apart(image), options)))
        )

    async def models(self) -> Models:
        """List what serves, what is published, and what one request may hold.

        Raises:
            GoodserveError: there is no answer.
        """
        return read(Models, await self._sender.send(MODELS))

    async def ready(self) -> Ready:
        """Say whether the service answers, and by which version; asked once, without retries.

        Raises:
            UnreachableError: nothing is there.
        """
        return read(Ready, await self._sender.send_once(READY, also=503))
