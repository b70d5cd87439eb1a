"""A thread that answers what waits in a lane: decode, run, hand the whole batch back."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.artifact.image import Pixels
from model.artifact.outputs import CONTRIBUTIONS, PROBABILITIES, SCORES, Outputs
from service.errors import DeadlineError, OurFaultError, ServiceError
from service.predict.batch import Job, JobQueue
from service.predict.decode import Decode, LargePictureError
from service.predict.evidence import TakenApart
from service.predict.loading import LoadedVersion
from service.timeline import note_batch, note_decode, note_queue, note_run

log = logging.getLogger("goodserve")

Outcome = Outputs | TakenApart | ServiceError
Deliver = Callable[[list[tuple[Job, Outcome]]], None]

# Weight of the newest batch in the moving average: after about twenty batches the old pace
# hardly counts.
_PACE_GAIN = 0.1
_PLAIN = (SCORES, PROBABILITIES)
_EXPLAINED = (SCORES, PROBABILITIES, CONTRIBUTIONS)


@dataclass(frozen=True)
class Hooks:
    """What a worker calls; all are called in its thread.

    Attributes:
        decode: turns a job's files into pixels.
        decode_aside: takes a job with a large picture, which comes back to the queue decoded.
        deliver: takes a batch's outcomes, one per job.
        on_batch: hears the number of images of each run.
        on_times: hears how many seconds the first job of a batch waited, and the batch took.
    """

    decode: Decode
    decode_aside: Callable[[Job], None]
    deliver: Deliver
    on_batch: Callable[[int], None]
    on_times: Callable[[float, float], None] = lambda _waited_s, _taken_s: None


@dataclass(frozen=True)
class Crew:
    """What the workers of a lane have in common.

    Attributes:
        num_workers: threads that decode and run.
        max_batch_size: images in one run.
        clock: gives monotonic seconds.
    """

    num_workers: int
    max_batch_size: int
    clock: Callable[[], float] = time.monotonic


class Worker:
    """One thread of a lane; it ends when the queue is closed.

    An `Exception` becomes an error for its callers; only another `BaseException` kills the thread.
    """

    def __init__(
        self,
        version: LoadedVersion,
        queue: JobQueue,
        hooks: Hooks,
        crew: Crew,
    ) -> None:
        """Begin to work."""
        self._version = version
        self._queue = queue
        self._hooks = hooks
        self._crew = crew
        self.busy_since: float | None = None
        self.seconds_per_image: float | None = None
        self.complaint: str | None = None
        # A daemon: a thread stuck in a session must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"{version.id}", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Tell whether the thread still runs."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (jobs := self._queue.take(self._crew.max_batch_size)) is not None:
            started = self.busy_since = self._crew.clock()
            outcomes = self._answered(self._in_time(jobs, started))
            # Before they are answered: then their requests end.
            note_batch((job for job, _ in outcomes), started, self._crew.clock)
            self._hooks.deliver(outcomes)
            self.busy_since = None
            # Only what was answered here took the time: not what was late or is decoded aside.
            images = sum(job.size for job, _ in outcomes)
            taken_s = self._crew.clock() - started
            self._note_pace(taken_s, images)
            if jobs:
                self._hooks.on_times(started - jobs[0].queued_at, taken_s)

    def _in_time(self, jobs: Sequence[Job], now: float) -> list[Job]:
        """Drop the jobs whose deadline has passed before they cost a run."""
        late = [job for job in jobs if job.deadline is not None and job.deadline < now]
        if not late:
            return list(jobs)
        detail = "the deadline passed while the request waited; nothing was run for it"
        self._hooks.deliver([(job, DeadlineError("deadline-passed", detail)) for job in late])
        return [job for job in jobs if job not in late]

    def _note_pace(self, seconds: float, images: int) -> None:
        """Keep a moving average of the seconds that an image takes; admission reads it."""
        if images == 0:
            return
        pace, known = seconds / images, self.seconds_per_image
        self.seconds_per_image = pace if known is None else known + _PACE_GAIN * (pace - known)

    def _answered(self, jobs: Sequence[Job]) -> list[tuple[Job, Outcome]]:
        """Answer a batch; a job whose picture is decoded aside is not among the outcomes."""
        outcomes: list[tuple[Job, Outcome]] = []
        ready: list[tuple[Job, Pixels]] = []
        for job in jobs:
            note_queue(job, self.busy_since or job.queued_at)
            try:
                pixels = job.pixels
                if pixels is None:
                    pixels = decoded(self._hooks.decode, job, self._version, quick=True)
                ready.append((job, pixels))
            except LargePictureError:
                self._hooks.decode_aside(job)
            except ServiceError as error:
                outcomes.append((job, error))
        plain = [each for each in ready if each[0].question is None]
        if plain:
            outcomes += self._run(plain)
        # Alone: they ask for different things, and take longer than a neighbour would wait.
        return outcomes + [self._explained(*each) for each in ready if each[0].question is not None]

    def _explained(self, job: Job, pixels: Pixels) -> tuple[Job, Outcome]:
        """Answer a job and take its scores apart."""
        explainer, question = self._version.explainer, job.question
        began_s = self._crew.clock()
        assert explainer is not None  # noqa: S101  the lane refused it otherwise
        assert question is not None  # noqa: S101  the caller made sure
        try:
            self._hooks.on_batch(len(pixels))
            found = explainer.answer(pixels, question)
            note_run([job], began_s, self._crew.clock)
        except Exception:  # onnxruntime's own errors share no public base
            log.exception("taking %d images apart failed", len(pixels))
            return job, self._failed("a run failed")
        return job, found if found.evidence.is_finite() else self._failed("it answered NaN")

    def _run(self, ready: Sequence[tuple[Job, Pixels]]) -> list[tuple[Job, Outcome]]:
        """Run jobs together; if that fails, each alone, so that none harms another."""
        groups = [pixels for _, pixels in ready]
        # One that asks is enough for the batch: L x K floats an image, less than a second run.
        asked = _EXPLAINED if any(job.explain for job, _ in ready) else _PLAIN
        wanted = (*asked, *self._version.also)
        began_s = self._crew.clock()
        try:
            # Concatenating copies, so a lone request is run as it is.
            batch = groups[0] if len(groups) == 1 else np.concatenate(groups)
            outputs = self._inferred(batch, wanted)
            note_run((job for job, _ in ready), began_s, self._crew.clock)
        except Exception:  # onnxruntime's own errors share no public base
            log.exception("a run of %d images failed", sum(map(len, groups)))
            if len(ready) > 1:  # only the guilty one may get the error, so each runs alone
                return [outcome for each in ready for outcome in self._run([each])]
            return [(ready[0][0], self._failed("a run failed"))]
        edges = itertools.accumulate(map(len, groups), initial=0)
        parts = [outputs.rows(start, stop) for start, stop in itertools.pairwise(edges)]
        return [(job, self._sound(part)) for (job, _), part in zip(ready, parts, strict=True)]

    def _inferred(self, batch: Pixels, wanted: Sequence[str]) -> Outputs:
        """Run a batch; one request of more images than a run takes is run in pieces."""
        limit = self._crew.max_batch_size
        if len(batch) <= limit:
            self._hooks.on_batch(len(batch))
            is_alone = self._queue.idle_workers == self._crew.num_workers - 1
            lone = len(batch) == 1 and is_alone
            session = self._version.lone_session if lone else self._version.session
            return session(batch, wanted)
        pieces = [batch[start : start + limit] for start in range(0, len(batch), limit)]
        return Outputs.joined([self._inferred(piece, wanted) for piece in pieces])

    def _sound(self, outputs: Outputs) -> Outcome:
        """Turn NaN or infinity into an error."""
        if outputs.are_finite():
            return outputs
        log.error("%s answered NaN or infinity", self._version.id)
        return self._failed("it answered NaN or infinity")

    def _failed(self, complaint: str) -> OurFaultError:
        self.complaint = complaint
        detail = "the model failed on this input; the service's log says why"
        return OurFaultError("inference-failed", detail)


def decoded(decode: Decode, job: Job, version: LoadedVersion, *, quick: bool) -> Pixels:
    """Decode a job's files for a version: `(n, H, W, 3)`, uint8.

    Raises:
        LargePictureError: only if `quick`.
        ServiceError: a file is bad, or we have a bug, which is logged and never the caller's.
    """
    height, width, _ = version.shape
    began_s = time.monotonic()
    try:
        pixels = decode(job.files, height, width, quick=quick)
    except (LargePictureError, ServiceError):
        raise
    except Exception as error:
        message = "decoding an image failed: this is a fault of the service"
        log.exception(message, extra={"request_id": job.request_id})
        detail = "the service failed to decode the image; its log says why"
        raise OurFaultError("unexpected", detail) from error
    note_decode(job, began_s, within="batch" if quick else "")
    return pixels
