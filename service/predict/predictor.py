"""The service without HTTP: images in, answers out."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from model.artifact.manifest import Manifest
from service.errors import ConflictError, NotReadyError, OurFaultError
from service.predict.answers import Answers, Explained
from service.predict.batch import Images
from service.predict.evidence import Question
from service.predict.lane import Lane
from service.predict.lanes import ANY, Lanes, Wanted
from service.predict.on_demand import OnDemand
from service.predict.trial import Trial
from service.predict.trials import Trials

Check = Callable[[Manifest], None]


class Request(NamedTuple):
    """What one caller wants of whichever version answers; see `Predictor.predict`."""

    images: Images
    explain: bool
    timeout_s: float | None
    check: Check

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
        request = Request(images, explain, timeout_s, check)
        trial = self._trials.drawn(wanted) if self._trials is not None else None
        if trial is None:
            return await self._answered(request, wanted)
        return await self._tried(trial, request, wanted)

    async def _answered(self, request: Request, wanted: Wanted) -> Answers:
        images, timeout_s = request.images, request.timeout_s
        async with self.leased(len(images), wanted, timeout_s=timeout_s) as lane:
            request.check(lane.version.manifest)
            return await lane.submit(images, explain=request.explain, timeout_s=timeout_s)

    async def _tried(self, trial: Trial, request: Request, wanted: Wanted) -> Answers:
        """Answer a request that was drawn for a trial: nobody is worse off for being drawn."""
        trials = self._trials
        assert trials is not None  # noqa: S101  this trial is one of them
        if trial.canary.shadow:
            answers = await self._answered(request, wanted)
            trials.compare(trial, request.images, answers, by=trial.wanted)
            return answers
        started = time.perf_counter()
        try:
            answers = await self._answered(request, trial.wanted)
        except (ConflictError, NotReadyError, OurFaultError) as error:
            taken_s = time.perf_counter() - started
            trials.failed(trial, error, taken_s)
            return await self._answered(request.later(taken_s), wanted)
        trials.ran(trial, time.perf_counter() - started)
        trials.compare(trial, request.images, answers, by=wanted)
        return answers

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
        async with self.leased(len(images), wanted, timeout_s=timeout_s) as lane:
            question = ask(lane.version.manifest)
            return await lane.explain(images, question, timeout_s=timeout_s)
