"""The client for programs that wait."""

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
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
from service.client.images import ImageLike, file_of
from service.client.many import Asked, Many
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
from service.client.sending import Sender
from service.pictures import pictures_in
from service.progress import bar


class Client:
    """Asks a service; may be shared by threads. Close it, or use it as a context manager."""

    def __init__(  # noqa: PLR0913  each has a default
        self,
        base_url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        total_timeout: float = 120.0,
        max_retries: int = 5,
        transport: httpx.BaseTransport | None = None,
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
        http = httpx.Client(
            base_url=base_url,
            headers=headers(api_key),
            timeout=timeout,
            limits=CONNECTIONS,
            transport=transport,
        )
        self._sender = Sender(http, Patience(max_retries, total_timeout))
        self._many = Many(self._sender)

    def __enter__(self) -> Self:
        """Use the client within a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sender.http.close()

    def predict(self, image: ImageLike, **options: Unpack[PredictOptions]) -> Prediction:
        """Classify one image.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        (prediction,) = predictions_of(self._sender.send(predict_call([file_of(image)], options)))
        return prediction

    def predict_many(
        self,
        images: Iterable[ImageLike],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        **options: Unpack[PredictOptions],
    ) -> Iterator[Prediction]:
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

    def predict_files(
        self,
        paths: Iterable[str | PathLike[str]],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        **options: Unpack[PredictOptions],
    ) -> Iterator[FilePrediction]:
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
        with closing(found) as outcomes:
            for path, outcome in outcomes:
                if isinstance(outcome, Prediction):
                    yield FilePrediction(Path(path), outcome)
                elif outcome.is_of_image:
                    yield FilePrediction(Path(path), error=outcome)
                else:
                    raise outcome

    def predict_folder(
        self,
        folder: str | PathLike[str],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        progress: bool = False,
        **options: Unpack[PredictOptions],
    ) -> Iterator[FilePrediction]:
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
            for each in answers:
                advance()
                yield each

    def explain(self, image: ImageLike, **options: Unpack[ExplainOptions]) -> Explanation:
        """Take the scores of one image apart, as arrays.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        call = explain_call([file_of(image)], options)
        (explanation,) = explanations_of(self._sender.send(call))
        return explanation

    def explain_many(
        self,
        images: Iterable[ImageLike],
        *,
        concurrency: int = CONCURRENCY,
        batch_size: int = BATCH_SIZE,
        **options: Unpack[ExplainOptions],
    ) -> Iterator[Explanation]:
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

    def draw(self, image: ImageLike, **options: Unpack[DrawOptions]) -> Image.Image:
        """Draw the evidence over one image, with a legend.

        Raises:
            GoodserveError: there is no answer; see `service.client.errors`.
        """
        return Image.open(io.BytesIO(self._sender.send(draw_call(file_of(image), options))))

    def models(self) -> Models:
        """List what serves, what is published, and what one request may hold.

        Raises:
            GoodserveError: there is no answer.
        """
        return read(Models, self._sender.send(MODELS))

    def ready(self) -> Ready:
        """Say whether the service answers, and by which version; asked once, without retries.

        Raises:
            UnreachableError: nothing is there.
        """
        return read(Ready, self._sender.send_once(READY, also=503))
