"""The service without HTTP: images in, answers out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from model.artifact.manifest import Manifest
from service.predict.answers import Answers, Explained
from service.predict.batch import Images
from service.predict.evidence import Question
from service.predict.lane import Lane
from service.predict.lanes import ANY, Lanes, Wanted
from service.predict.on_demand import OnDemand


class Predictor:
    """Answers requests; knows no framework, so every protocol is a thin adapter before it."""

    def __init__(self, lanes: Lanes, on_demand: OnDemand | None = None) -> None:
        """Answer by these lanes.

        Args:
            lanes: open ones.
            on_demand: opens others; None: only what is open answers.
        """
        self._lanes = lanes
        self._on_demand = on_demand

    def check_wait(self) -> None:
        """Refuse now what `predict` would refuse, for those who can spare reading a body.

        Raises:
            BusyError: too much waits already.
        """
        self._lanes.check_wait(images=1)

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
        if self._on_demand is not None and wanted.name is not None:
            await self._on_demand.ensure(wanted)
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
        check: Callable[[Manifest], None] = lambda _manifest: None,
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
        async with self.leased(len(images), wanted, timeout_s=timeout_s) as lane:
            check(lane.version.manifest)
            return await lane.submit(images, explain=explain, timeout_s=timeout_s)

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
