"""Carries trials out: draws requests for the version on trial, compares, and stops a bad one."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model.artifact.active import Active
from model.artifact.labels import Canary, Stopped
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.errors import OurFaultError, ServiceError
from service.predict.lanes import Lanes, Wanted
from service.predict.trial import Ran, Tally, Trial, is_drawn, labels_of, verdict
from service.timeline import TIMELINE

log = logging.getLogger("goodserve")

# Comparing is a second run of the same images: beyond so many at once it is left out, so that a
# trial takes a bounded part of a busy service.
_MOST_AT_ONCE = 4


def _nobody(*_: Any) -> None:  # noqa: ANN401  whatever there is to hear
    pass


@dataclass(frozen=True)
class TrialHooks:
    """Who hears of trials.

    Attributes:
        on_request: of each request that the version on trial ran: the version, "ok" or "failed",
            and the seconds it took.
        on_images: of images: the version, "agreed", "differed" or "skipped", and how many.
    """

    on_request: Callable[[VersionId, str, float], None] = _nobody
    on_images: Callable[[VersionId, str, int], None] = _nobody


class Trials:
    """The trials of a service's models; belongs to the event loop's thread.

    Every process judges by what it saw itself. The first that finds a version bad stops drawing
    requests for it at once, and ends the trial in the repository, which the others follow.
    """

    def __init__(
        self,
        repository: ModelRepository,
        lanes: Lanes,
        hooks: TrialHooks | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Begin without a trial.

        Args:
            repository: where a trial that fails is ended.
            lanes: run the versions.
            hooks: hear of what happens.
            chance: draws uniformly from [0, 1).
        """
        self._repository = repository
        self._lanes = lanes
        self._hooks = hooks or TrialHooks()
        self._chance = chance
        self._trials: dict[str, Trial] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, state: Active) -> None:
        """Begin and end trials as the repository says; one that goes on keeps its counts."""
        wanted = {n: h.canary for n, h in state.models.items() if h.canary is not None}
        self._trials = {name: self._kept(name, canary) for name, canary in wanted.items()}

    def of(self, name: str) -> Trial | None:
        """Give a model's trial, whether it goes on or was stopped."""
        return self._trials.get(name)

    def drawn(self, wanted: Wanted) -> Trial | None:
        """Draw a request: give the trial whose version gets it; None: it is none's.

        Whoever names a version or a label is not drawn.
        """
        if not self._trials or wanted.version is not None or wanted.label is not None:
            return None
        name = self._lanes.default if wanted.name is None else wanted.name
        trial = self._trials.get(name or "")
        if trial is None or trial.failure is not None or self._lanes.of(trial.wanted) is None:
            return None
        return trial if is_drawn(trial, wanted.key, self._chance()) else None

    def ran(self, trial: Trial, seconds: float) -> None:
        """Note that the version on trial answered."""
        trial.tally.ran += 1
        self._hooks.on_request(trial.id, "ok", seconds)

    def failed(self, trial: Trial, error: ServiceError, seconds: float) -> None:
        """Note that the version on trial did not answer, by its own fault."""
        log.warning("%s is on trial and failed: %s", trial.id, error.detail)
        trial.tally.ran += 1
        trial.tally.failed += 1
        self._hooks.on_request(trial.id, "failed", seconds)
        self._judge(trial)

    def compare(self, trial: Trial, ran: Ran[Any], by: Wanted) -> None:
        """Let the other version of a trial see the same images, once this caller is answered.

        Whatever the caller asked for, the other one only classifies them.

        Args:
            trial: that the request was drawn for.
            ran: what the caller gets.
            by: the other version.
        """
        if len(self._tasks) >= _MOST_AT_ONCE:
            self._hooks.on_images(trial.id, "skipped", len(ran.images))
            return
        # Without the answer, which may be large and is not looked at.
        self._run(self._compare(trial, ran._replace(answer=None), by))

    def refuse(self, trial: Trial, reason: str) -> None:
        """Stop a trial whose version cannot be loaded."""
        self._stop(trial, f"it was refused: {reason}")

    async def close(self) -> None:
        """Give up what still compares."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _kept(self, name: str, canary: Canary) -> Trial:
        known = self._trials.get(name)
        if known is not None and known.canary == canary:
            return known
        return Trial(VersionId(name, canary.version), canary, Tally())

    async def _compare(self, trial: Trial, ran: Ran[None], by: Wanted) -> None:
        started, images = time.perf_counter(), ran.images
        # The task began with the caller's, whose trace would name this version and hold this run.
        TIMELINE.set(None)
        try:
            lane = self._lanes.lease(len(images), wanted=by)
            try:
                other = await lane.submit(images, explain=False)
            finally:
                lane.release()
        except OurFaultError as error:
            if by == trial.wanted:
                self.failed(trial, error, time.perf_counter() - started)
            return
        except ServiceError:  # too busy, or the version is on its way out
            self._hooks.on_images(trial.id, "skipped", len(images))
            return
        if by == trial.wanted:
            self.ran(trial, time.perf_counter() - started)
        pairs = zip(ran.labels, labels_of(other.manifest, other.outputs.scores), strict=True)
        differed = sum(one != two for one, two in pairs)
        trial.tally.compared += len(images)
        trial.tally.differed += differed
        self._hooks.on_images(trial.id, "agreed", len(images) - differed)
        self._hooks.on_images(trial.id, "differed", differed)
        self._judge(trial)

    def _judge(self, trial: Trial) -> None:
        failure = verdict(trial.canary, trial.tally)
        if failure is not None:
            self._stop(trial, failure)

    def _stop(self, trial: Trial, failure: str) -> None:
        """Draw nothing for a trial any more, and end it in the repository."""
        if trial.failure is not None:
            return
        trial.failure = failure
        log.error("the trial of %s has failed: %s", trial.id, failure)
        stopped = Stopped(version=trial.id.version, reason=failure, at=datetime.now(UTC))
        self._run(self._write(trial, stopped))

    async def _write(self, trial: Trial, stopped: Stopped) -> None:
        def end() -> None:
            self._repository.end_canary(trial.id.name, stopped, only=trial.canary)

        try:
            await asyncio.to_thread(end)
        except RepositoryError as error:
            # In this process it has ended all the same.
            log.warning("the trial of %s is still in the repository: %s", trial.id, error)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        # Kept, or the event loop may let it be collected in the middle.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
