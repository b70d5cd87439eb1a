"""A lane: one loaded version with its queue and its workers, leased by requests."""

import asyncio
import logging
import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from model.artifact.outputs import FAMILIARITY, Outputs
from model.artifact.version import VersionId
from service.errors import (
    ConflictError,
    NotReadyError,
    OurFaultError,
    ServiceError,
    UnprocessableError,
)
from service.predict.answers import Answers, Explained, familiarity_of
from service.predict.batch import Images, Job, JobQueue
from service.predict.decode import Decode
from service.predict.deliver import answer, answer_all, weakly
from service.predict.evidence import Question, TakenApart
from service.predict.loading import LoadedVersion
from service.predict.worker import Crew, Hooks, Outcome, Worker, decoded

log = logging.getLogger("goodserve")


@dataclass(frozen=True)
class LaneParts:
    """What every lane of a service is made with.

    Attributes:
        decode: turns files into pixels.
        aside: where large pictures are decoded, so that they hold up nobody's batch.
        crew: how many workers, and what they have in common.
        stall_timeout_s: seconds after which a batch in hand counts as hung.
        on_batch: hears the version and the number of images of each run.
        on_times: hears of each batch how many seconds its first request waited, and how many
            the batch took.
    """

    decode: Decode
    aside: Executor
    crew: Crew
    stall_timeout_s: float
    on_batch: Callable[[VersionId, int], None] = lambda _version, _size: None
    on_times: Callable[[float, float], None] = lambda _waited_s, _taken_s: None


class Lane:
    """One loaded version at work.

    Requests lease it, submit, and release it. A retired lane takes no new leases; it drains
    and closes when the last lease ends. All public methods belong to the event loop.
    """

    def __init__(self, version: LoadedVersion, parts: LaneParts) -> None:
        """Start the workers.

        Raises:
            RuntimeError: no event loop is running.
        """
        self.version = version
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._queue = JobQueue()
        # Everyone who waits, in the queue or in hand: closing must reach them all.
        self._unanswered: set[Job] = set()
        self._depth = 0
        self._leases = 0
        self._is_retired = False
        self._is_closed = False
        on_batch = partial(parts.on_batch, self.id)
        decode_aside, deliver = weakly(self._decode_aside), weakly(self._deliver)
        hooks = Hooks(parts.decode, decode_aside, deliver, on_batch, parts.on_times)
        self._clock = parts.crew.clock
        self._forgiven_at = -math.inf
        self._workers = [
            Worker(version, self._queue, hooks, parts.crew) for _ in range(parts.crew.num_workers)
        ]

    @property
    def id(self) -> VersionId:
        """The version that this lane answers by."""
        return self.version.id

    @property
    def depth(self) -> int:
        """Count the images that wait or run."""
        return self._depth

    def expected_wait_s(self) -> float:
        """Estimate the seconds after which an image that came now would be answered."""
        paces = [pace for w in self._workers if (pace := w.seconds_per_image) is not None]
        if not paces:
            return 0.0  # nothing has run yet
        return self._depth * sum(paces) / len(paces) / len(self._workers)

    @property
    def is_closed(self) -> bool:
        """Whether the lane has gone: nothing can be submitted any more."""
        return self._is_closed

    def lease(self) -> None:
        """Keep the lane open until `release`."""
        self._leases += 1

    def release(self) -> None:
        """End a lease; a retired lane closes with its last one."""
        self._leases -= 1
        self._close_if_drained()

    def retire(self) -> None:
        """Take no new leases; close when the last one ends."""
        self._is_retired = True
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        # Nobody can wait here then: whoever waits holds a lease.
        if self._is_retired and self._leases == 0:
            self.close()

    async def submit(
        self, images: Images, *, explain: bool, timeout_s: float | None = None
    ) -> Answers:
        """Wait for the answers to one caller's images.

        Args:
            images: files or pixels, at least one.
            explain: whether contributions are wanted.
            timeout_s: seconds from now in which a run must have begun.

        Raises:
            ServiceError: an image is bad, the model failed, or the lane was given up.
        """
        job = self._job(images, timeout_s, explain=explain)
        outputs: Outputs = await self._outcome(job)
        manifest = self.version.manifest
        familiarity = familiarity_of(manifest, outputs.optional.get(FAMILIARITY))
        return Answers(self.id, manifest, outputs, familiarity)

    async def explain(
        self, images: Images, question: Question, *, timeout_s: float | None = None
    ) -> Explained:
        """Wait for the answers to one caller's images, taken apart.

        Args:
            images: files or pixels, at least one.
            question: which combinations of classes to take apart.
            timeout_s: seconds from now in which a run must have begun.

        Raises:
            ServiceError: as `submit` does, or the version cannot be taken apart.
        """
        explainer = self.version.explainer
        if explainer is None or explainer.assignment is None:
            raise _no_evidence(self.id)
        job = self._job(images, timeout_s, explain=True, question=question)
        found: TakenApart = await self._outcome(job)
        manifest, assignment = self.version.manifest, explainer.assignment
        familiarity = familiarity_of(manifest, found.familiarity)
        return Explained(self.id, manifest, found.evidence, question, assignment, familiarity)

    def _job(
        self,
        images: Images,
        timeout_s: float | None,
        *,
        explain: bool,
        question: Question | None = None,
    ) -> Job:
        """Make what waits for images.

        Raises:
            UnprocessableError: pixels are not what this version takes.
        """
        future = self._loop.create_future()
        deadline = None if timeout_s is None else self._clock() + timeout_s
        if not isinstance(images, np.ndarray):
            return Job(images, len(images), explain, future, deadline, question=question)
        # Here, not in the worker: there a wrong shape would fail the neighbours' batch as well.
        if images.dtype != np.uint8 or images.shape[1:] != self.version.shape:
            detail = f"{self.id} takes uint8 pixels (N, {', '.join(map(str, self.version.shape))})"
            found = f"{images.dtype} {images.shape}"
            raise UnprocessableError("bad-field", f"{detail}, not {found}")
        return Job((), len(images), explain, future, deadline, images, question)

    async def _outcome(self, job: Job) -> Any:  # noqa: ANN401  of the kind that the job asks for
        """Let a job wait, and give what a worker makes of it."""
        if self._is_closed:
            raise _given_up(self.id)
        self._unanswered.add(job)
        self._depth += job.size
        job.queued_at = self._clock()
        if job.timeline is not None:
            job.timeline.model = str(self.id)
        try:
            self._queue.put(job)
            return await job.future
        finally:
            # Also for a caller who went away: its place must not stay taken.
            self._unanswered.discard(job)
            self._depth -= job.size

    def trouble(self) -> str | None:
        """Say what is wrong with the lane; None if it answers well."""
        if self._is_closed:
            return "it was given up"
        if self._has_died():
            return "a worker died"
        if self._is_hung():
            return f"a batch has been in hand for over {self._parts.stall_timeout_s:g} s"
        return next((w.complaint for w in self._workers if w.complaint is not None), None)

    def is_lost(self) -> bool:
        """Tell whether somebody waits here for ever: a worker is dead or hung."""
        return not self._is_closed and (self._has_died() or self._is_hung())

    def _has_died(self) -> bool:
        return not all(worker.is_alive() for worker in self._workers)

    def _is_hung(self) -> bool:
        # Read once: the worker may set it to None at any moment.
        busy = [since for worker in self._workers if (since := worker.busy_since) is not None]
        since = max(min(busy), self._forgiven_at) if busy else math.inf
        return self._clock() - since > self._parts.stall_timeout_s

    def forgive(self) -> None:
        """Count what is in hand from now on: the whole process stood still until now."""
        self._forgiven_at = self._clock()

    def give_up(self) -> None:
        """Close the lane and answer its waiting requests with an error.

        A hung thread keeps running, because Python cannot stop it.
        """
        self._close(_given_up(self.id))

    def close(self) -> None:
        """Stop the workers; whoever still waits is told that the service is shutting down."""
        self._close(NotReadyError("shutting-down", "the service is shutting down"))

    def _close(self, error: ServiceError) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.close()
        # Answered from here, not by the workers: one that hangs or died answers nobody.
        for job in self._unanswered:
            answer(job, error)

    def join(self, timeout_s: float) -> None:
        """Wait for the workers of a closed lane to end."""
        for worker in self._workers:
            worker.join(timeout_s)

    def _deliver(self, outcomes: list[tuple[Job, Outcome]]) -> None:
        """Hand a batch's outcomes to the event loop, in one call; runs in the worker's thread."""
        if not outcomes:
            return
        try:
            self._loop.call_soon_threadsafe(answer_all, outcomes)
        except RuntimeError:  # the process ends; a hung worker may come back even later
            log.debug("the event loop is closed; %d answers are dropped", len(outcomes))

    def _decode_aside(self, job: Job) -> None:
        """Have a job's large pictures decoded elsewhere; then it waits again, decoded."""
        self._parts.aside.submit(self._decode_large, job)

    def _decode_large(self, job: Job) -> None:
        if job.future.done():  # the caller went away, or the lane was given up
            return
        try:
            job.pixels = decoded(self._parts.decode, job, self.version, quick=False)
        except ServiceError as error:
            self._deliver([(job, error)])
        else:
            job.queued_at = self._clock()
            self._queue.put(job)


def _given_up(version: VersionId) -> OurFaultError:
    detail = f"a worker of {version} does not answer; it is being replaced, try again"
    return OurFaultError("worker-lost", detail)


def _no_evidence(version: VersionId) -> ConflictError:
    detail = (
        f"{version} has no graph that takes its scores apart; export and publish it anew "
        "(goodserve-train export, goodserve-train publish), or ask /predict with explain=true for "
        "the contributions of its layers"
    )
    return ConflictError("no-evidence", detail)
