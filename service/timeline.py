"""When the parts of one request happened, for whoever traces it; by default nobody does."""

import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import NamedTuple, Protocol


class Part(NamedTuple):
    """One part of a request.

    Attributes:
        name: queue, batch, decode or run.
        began_s: in seconds of the monotonic clock.
        ended_s: likewise.
        images: of the whole batch, in a batch or a run; else of the request.
        requests: that were answered together.
        within: the name of the part that this one belongs to; "": the request itself.
    """

    name: str
    began_s: float
    ended_s: float
    images: int
    requests: int = 1
    within: str = ""


class Timeline:
    """Notes the parts of one request; any thread may, before the request is answered."""

    def __init__(self) -> None:
        """Begin now."""
        self.began_s = time.monotonic()
        self.parts: list[Part] = []
        self.model = ""

    def note(self, part: Part) -> None:
        """Add a part."""
        self.parts.append(part)


class Traced(Protocol):
    """What waits in a queue, as far as it is traced."""

    size: int
    queued_at: float
    timeline: Timeline | None


# Of the request that is being answered; None where it is not traced.
TIMELINE: ContextVar[Timeline | None] = ContextVar("timeline", default=None)


def note_queue(job: Traced, taken_s: float) -> None:
    """Note that a job waited until it was taken."""
    if job.timeline is not None:
        job.timeline.note(Part("queue", job.queued_at, taken_s, job.size))


def note_decode(job: Traced, began_s: float, *, within: str) -> None:
    """Note that a job's files have just been decoded."""
    if job.timeline is not None:
        job.timeline.note(Part("decode", began_s, time.monotonic(), job.size, within=within))


def note_run(jobs: Iterable[Traced], began_s: float, clock: Callable[[], float]) -> None:
    """Note that jobs have just been run together."""
    _note_all("run", jobs, began_s, clock, within="batch")


def note_batch(jobs: Iterable[Traced], began_s: float, clock: Callable[[], float]) -> None:
    """Note that jobs were taken together, and are answered now."""
    _note_all("batch", jobs, began_s, clock, within="")


def _note_all(
    name: str, jobs: Iterable[Traced], began_s: float, clock: Callable[[], float], within: str
) -> None:
    together = list(jobs)
    if not any(job.timeline is not None for job in together):
        return
    images, ended_s = sum(job.size for job in together), clock()
    part = Part(name, began_s, ended_s, images, len(together), within)
    for job in together:
        if job.timeline is not None:
            job.timeline.note(part)
