"""The service without HTTP: images in, answers out."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, Self, TypeVar

from model.artifact.manifest import Manifest
from service.errors import ConflictError, NotReadyError, OurFaultError, UnprocessableError
from service.predict.answers import Answers, Explained
from service.predict.batch import Images
from service.predict.evidence import Question
from service.predict.lane import Lane
from service.predict.lanes import ANY, Lanes, Wanted
from service.predict.on_demand import OnDemand
from service.predict.trial import Ran, Trial
from service.predict.trials import Trials

T = TypeVar("T")

Check = Callable[[Manifest], None]
# Answers a request on one lane, within so many seconds; it may be asked for another lane again.
Run = Callable[[Lane, float | None], Awaitable[Ran[T]]]


class Request(NamedTuple, Generic[T]):
    """What one caller wants of whichever version answers; see `Predictor.answered`."""

    images: int
    run: Run[T]
    timeout_s: float | None

    def later(self, seconds: float) -> Self:
        """Give the same so many seconds later."""
        if self.timeout_s is None:
            return self
        return self._replace(timeout_s=max(0.0, self.timeout_s - seconds))


class Predictor:
    """Answers requests; knows no framework, so every protocol is a thin adapter before it."""

    def __init__(
        self, lanes: Lanes, on_demand: OnDemand | None = None, trials: Trials | None = None
    ) -> None:
        """Answer by these lanes.

        Args:
            lanes: open ones.
            on_demand: opens others; None: only what is open answers.
            trials: of versions that get a part of the requests; None: there are none.
        """
        self._lanes = lanes
        self._on_demand = on_demand
        self._trials = trials

    def check_wait(self) -> None:
        """Refuse now what `predict` would refuse, for those who can spare reading a body.

        Raises:
            BusyError: too much waits already.
        """
        self._lanes.check_wait(images=1)

    def answering(self, name: str | None) -> str:
        """Name the model that answers for a name, or where none is given; "": none does."""
        lane = self._lanes.of(ANY if name is None else Wanted(name))
        if lane is not None:
            return lane.id.name
        return next((each.id.name for each in self._lanes.open if each.id.name == name), "")

    @asynccontextmanager
    async def leased(
        self, images: int, wanted: Wanted = ANY, *, timeout_s: float | None = None
    ) -> AsyncIterator[Lane]:
        """Lease a lane for as long as the block lasts; a model that is named is loaded first.

        Args:
            images: that will be submitted.
            wanted: the model.
            timeout_s: seconds that the caller will wait.

        Raises:
            ServiceError: nothing answers for that model, or not in time.
        """
        if self._on_demand is not None and wanted != ANY:
            before = time.monotonic()
            wanted = await self._on_demand.ensure(wanted, timeout_s)
            if timeout_s is not None:
                timeout_s = max(0.0, timeout_s - (time.monotonic() - before))
        lane = self._lanes.lease(images, timeout_s, wanted)
        try:
            yield lane
        finally:
            lane.release()

    async def predict(
        self,
        images: Images,
        *,
        explain: bool = False,
        timeout_s: float | None = None,
        wanted: Wanted = ANY,
        check: Check = lambda _manifest: None,
    ) -> Answers:
        """Classify images, all by one version, from the same lane to the end.

        Args:
            images: files or pixels, at least one.
            explain: whether the layers' contributions are wanted.
            timeout_s: seconds that the caller will wait; what cannot be run by then is refused.
            wanted: the model.
            check: raises a `ServiceError` where the version cannot give what else is wanted.

        Raises:
            ServiceError: see `service.errors`; nothing else is raised.
        """

        async def run(lane: Lane, timeout_s: float | None) -> Ran[Answers]:
            check(lane.version.manifest)
            found = await lane.submit(images, explain=explain, timeout_s=timeout_s)
            return Ran(found, images, found.manifest, found.outputs.scores)

        return await self.answered(len(images), run, timeout_s=timeout_s, wanted=wanted)

    async def explain(
        self,
        images: Images,
        ask: Callable[[Manifest], Question],
        *,
        timeout_s: float | None = None,
        wanted: Wanted = ANY,
    ) -> Explained:
        """Classify images and take their scores apart, all by one version.

        Args:
            images: files or pixels, at least one.
            ask: says what to take apart, once it is known which classes there are.
            timeout_s: seconds that the caller will wait; what cannot be run by then is refused.
            wanted: the model.

        Raises:
            ServiceError: see `service.errors`; nothing else is raised.
        """

        async def run(lane: Lane, timeout_s: float | None) -> Ran[Explained]:
            question = ask(lane.version.manifest)
            found = await lane.explain(images, question, timeout_s=timeout_s)
            return Ran(found, images, found.manifest, found.evidence.scores)

        return await self.answered(len(images), run, timeout_s=timeout_s, wanted=wanted)

    async def answered(
        self,
        images: int,
        run: Run[T],
        *,
        timeout_s: float | None = None,
        wanted: Wanted = ANY,
    ) -> T:
        """Answer a request by one version, which a trial may choose.

        Args:
            images: that will be submitted.
            run: answers on the lane that it is given, from the beginning to the end.
            timeout_s: seconds that the caller will wait.
            wanted: the model.

        Raises:
            ServiceError: see `service.errors`; and what `run` raises.
        """
        request = Request(images, run, timeout_s)
        trial = self._trials.drawn(wanted) if self._trials is not None else None
        if trial is None:
            return (await self._ran(request, wanted)).answer
        return await self._tried(trial, request, wanted)

    async def _ran(self, request: Request[T], wanted: Wanted) -> Ran[T]:
        images, timeout_s = request.images, request.timeout_s
        async with self.leased(images, wanted, timeout_s=timeout_s) as lane:
            return await request.run(lane, timeout_s)

    async def _tried(self, trial: Trial, request: Request[T], wanted: Wanted) -> T:
        """Answer a request that was drawn for a trial: nobody is worse off for being drawn."""
        trials = self._trials
        assert trials is not None  # noqa: S101  this trial is one of them
        if trial.canary.shadow:
            ran = await self._ran(request, wanted)
            trials.compare(trial, ran, by=trial.wanted)
            return ran.answer
        started = time.perf_counter()
        try:
            ran = await self._ran(request, trial.wanted)
        except (NotReadyError, OurFaultError) as error:
            taken_s = time.perf_counter() - started
            trials.failed(trial, error, taken_s)
            return (await self._ran(request.later(taken_s), wanted)).answer
        except (ConflictError, UnprocessableError) as error:
            taken_s = time.perf_counter() - started
            # Other classes, say, or no evidence: a fault if the active version has what is asked.
            try:
                ran = await self._ran(request.later(taken_s), wanted)
            except (ConflictError, UnprocessableError):
                raise error from None
            trials.failed(trial, error, taken_s)
            return ran.answer
        trials.ran(trial, time.perf_counter() - started)
        trials.compare(trial, ran, by=wanted)
        return ran.answer
