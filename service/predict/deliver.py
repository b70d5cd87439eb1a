"""From a worker's thread to those who wait on the event loop."""

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from service.errors import ServiceError
from service.predict.batch import Job
from service.predict.worker import Outcome


def weakly(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """Call a method as long as its object is there.

    A lane and its workers that held each other would stay, with 20 MB of sessions, until the
    garbage collector's next full round, which a service that allocates little may never see.
    """
    held = WeakMethod(method)

    def call(argument: Any) -> None:  # noqa: ANN401  whatever the method takes
        found = held()
        if found is not None:
            found(argument)

    return call


def answer_all(outcomes: list[tuple[Job, Outcome]]) -> None:
    """Answer those who wait for a batch; on the event loop."""
    for job, outcome in outcomes:
        answer(job, outcome)


def answer(job: Job, outcome: Outcome) -> None:
    """Answer one waiter, unless it went away or was answered before."""
    if job.future.done():
        return
    if isinstance(outcome, ServiceError):
        job.future.set_exception(outcome)
    else:
        job.future.set_result(outcome)
