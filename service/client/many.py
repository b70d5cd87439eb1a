"""Asks about many images, some at once and in their order; with and without an event loop."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing, closing
from typing import Generic, NamedTuple, TypeVar

from service.client.calls import MODELS, Call, Question, Talk, ask_about, stepped
from service.client.chunks import at_most, chunks_of, in_order, in_order_of_loop
from service.client.errors import GoodserveError
from service.client.images import ImageLike
from service.client.results import Limits, Models, read
from service.client.sending import AsyncSender, Sender

T = TypeVar("T", bound=ImageLike)
A = TypeVar("A")


class Asked(NamedTuple, Generic[A]):
    """What a caller wants of every image, and how.

    Attributes:
        question: about each of them.
        concurrency: requests at once.
        batch_size: images in one request, at most what the service takes.
    """

    question: Question[A]
    concurrency: int
    batch_size: int

    def within(self, limits: Limits) -> Limits:
        """Say what one request may hold, by the service and by the caller."""
        return self.question.within(at_most(limits, self.batch_size))


class Many:
    """Asks about many images, in threads."""

    def __init__(self, sender: Sender) -> None:
        """Ask by this sender."""
        self._sender = sender
        self._limits: Limits | None = None

    def answers(self, images: Iterable[ImageLike], asked: Asked[A]) -> Generator[A, None, None]:
        """Give the answers in the images' order; the first image without one ends them.

        Raises:
            GoodserveError: there is no answer for one of them.
        """
        found = self.outcomes(images, asked)
        with closing(found) as outcomes:
            for _, outcome in outcomes:
                if isinstance(outcome, GoodserveError):
                    raise outcome
                yield outcome

    def outcomes(
        self, images: Iterable[T], asked: Asked[A]
    ) -> Generator[tuple[T, A | GoodserveError], None, None]:
        """Give each image with its answer, or why there is none.

        Raises:
            GoodserveError: the service does not say what one request may hold.
        """
        limits = asked.within(self._service_limits())
        stop = threading.Event()

        def work(chunk: list[T]) -> list[tuple[T, A | GoodserveError]]:
            talk = ask_about(chunk, asked.question, limits)
            return list(zip(chunk, self._held(talk, stop.wait), strict=True))

        return in_order(chunks_of(images, limits.images), work, asked.concurrency, stop)

    def _held(self, talk: Talk[A], sleep: Callable[[float], object]) -> list[A | GoodserveError]:
        """Send what it asks for until it has what it wants."""
        step = stepped(talk, None)
        while isinstance(step, Call):
            try:
                reply: bytes | GoodserveError = self._sender.send(step, sleep)
            except GoodserveError as error:
                reply = error
            step = stepped(talk, reply)
        return step

    def _service_limits(self) -> Limits:
        """Ask once what one request may hold."""
        if self._limits is None:
            self._limits = read(Models, self._sender.send(MODELS)).limits
        return self._limits


class AsyncMany:
    """Asks about many images as `Many` does, in tasks of one event loop."""

    def __init__(self, sender: AsyncSender) -> None:
        """Ask by this sender."""
        self._sender = sender
        self._limits: Limits | None = None

    async def answers(
        self, images: Iterable[ImageLike], asked: Asked[A]
    ) -> AsyncGenerator[A, None]:
        """Give the answers in the images' order; see `Many.answers`."""
        found = self.outcomes(images, asked)
        async with aclosing(found) as outcomes:
            async for _, outcome in outcomes:
                if isinstance(outcome, GoodserveError):
                    raise outcome
                yield outcome

    async def outcomes(
        self, images: Iterable[T], asked: Asked[A]
    ) -> AsyncGenerator[tuple[T, A | GoodserveError], None]:
        """Give each image with its answer, or why there is none; see `Many.outcomes`."""
        limits = asked.within(await self._service_limits())

        async def work(chunk: list[T]) -> list[tuple[T, A | GoodserveError]]:
            outcomes = await self._held(ask_about(chunk, asked.question, limits))
            return list(zip(chunk, outcomes, strict=True))

        chunks = chunks_of(images, limits.images)
        async with aclosing(in_order_of_loop(chunks, work, asked.concurrency)) as outcomes:
            async for each in outcomes:
                yield each

    async def _held(self, talk: Talk[A]) -> list[A | GoodserveError]:
        """Send what it asks for until it has what it wants; files are read in threads."""
        step = await asyncio.to_thread(stepped, talk, None)
        while isinstance(step, Call):
            try:
                reply: bytes | GoodserveError = await self._sender.send(step)
            except GoodserveError as error:
                reply = error
            step = await asyncio.to_thread(stepped, talk, reply)
        return step

    async def _service_limits(self) -> Limits:
        """Ask once what one request may hold."""
        if self._limits is None:
            self._limits = read(Models, await self._sender.send(MODELS)).limits
        return self._limits
