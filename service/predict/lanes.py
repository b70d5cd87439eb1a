"""All lanes of a service: the active one, and those that drain."""

import logging
import math
from typing import NamedTuple

from service.errors import BusyError, DeadlineError, NotReadyError
from service.predict.lane import Lane

log = logging.getLogger("goodserve")


class Table(NamedTuple):
    """The lanes there are.

    Attributes:
        active: answers what no other lane is named for.
        draining: retired, with leases that have not ended.
    """

    active: Lane | None
    draining: tuple[Lane, ...]


def choose(table: Table) -> Lane | None:
    """Say which lane answers a request: a pure rule, today the active one."""
    return table.active


class Lanes:
    """Leases lanes to requests and replaces them; belongs to the event loop's thread."""

    def __init__(self, max_waiting_images: int, max_wait_s: float = math.inf) -> None:
        """Begin without a lane.

        Args:
            max_waiting_images: that may wait or run over all lanes together.
            max_wait_s: that an image may be expected to wait.
        """
        self._max_waiting_images = max_waiting_images
        self._max_wait_s = max_wait_s
        self._table = Table(None, ())
        self.why_none: str | None = None

    @property
    def active(self) -> Lane | None:
        """The lane that answers."""
        return self._table.active

    @property
    def all(self) -> tuple[Lane, ...]:
        """Every lane that is open."""
        active = () if self._table.active is None else (self._table.active,)
        return active + self._table.draining

    @property
    def depth(self) -> int:
        """Count the images that wait or run, over all lanes."""
        return sum(lane.depth for lane in self.all)

    def expected_wait_s(self) -> float:
        """Estimate the seconds after which an image that came now would be answered.

        Any thread may ask: it reads what the event loop replaces whole.
        """
        return sum(lane.expected_wait_s() for lane in self.all)

    def lease(self, images: int, timeout_s: float | None = None) -> Lane:
        """Lease the lane that answers a request of so many images; the caller releases it.

        Args:
            images: of the request.
            timeout_s: seconds that the caller will wait.

        Raises:
            NotReadyError: no lane is open.
            BusyError: too many images wait already.
            DeadlineError: the answer would come too late for this caller.
        """
        lane = choose(self._table)
        if lane is None:
            why = f": {self.why_none}" if self.why_none else ""
            detail = f"no model is loaded{why}; publish one into the repository"
            raise NotReadyError("not-ready", detail)
        if lane.is_closed:
            detail = f"a worker of {lane.id} was lost and is being replaced; try again"
            raise NotReadyError("not-ready", detail)
        self.check_wait(images, timeout_s)
        lane.lease()
        return lane

    def check_wait(self, images: int, timeout_s: float | None = None) -> None:
        """Refuse now what would wait too long: refusing is cheap, and answering late helps nobody.

        Where nothing waits any request is taken, however large.

        Raises:
            BusyError: too many images wait already.
            DeadlineError: the answer would come too late for this caller.
        """
        depth = self.depth
        wait_s = self.expected_wait_s()
        if timeout_s is not None and wait_s > timeout_s:
            detail = f"the wait is {wait_s:.2f} s now, the caller's deadline {timeout_s:.2f} s"
            raise DeadlineError("deadline-unmet", detail)
        if depth and depth + images > self._max_waiting_images:
            limit = self._max_waiting_images
            detail = f"{depth} images wait already, the limit is {limit}; try again later"
            raise BusyError("queue-full", detail, math.ceil(wait_s) or 1)
        if wait_s > self._max_wait_s:
            limit_s = self._max_wait_s
            detail = f"the wait is {wait_s:.2f} s now, the limit is {limit_s:g} s; try again later"
            raise BusyError("queue-full", detail, math.ceil(wait_s))

    def install(self, lane: Lane) -> None:
        """Make a lane the active one; the old one drains and closes with its last lease."""
        old = self._table.active
        if old is not None:
            old.retire()
            self._table = self._table._replace(draining=(*self._table.draining, old))
        self._table = self._swept(lane)
        log.info("serving %s", lane.id)

    def give_up_lost(self) -> None:
        """Answer those who wait in a lane that will not answer them."""
        for lane in self.all:
            if lane.is_lost():
                log.error("%s is given up: %s", lane.id, lane.trouble())
                lane.give_up()
        self._table = self._swept(self._table.active)

    def close(self) -> None:
        """Close every lane; whoever still waits is told that the service is shutting down."""
        lanes = self.all
        self._table = Table(None, ())
        for lane in lanes:
            lane.close()
        for lane in lanes:
            lane.join(timeout_s=5)

    def _swept(self, active: Lane | None) -> Table:
        """Drop the lanes that have closed; the active one stays until it is replaced."""
        return Table(active, tuple(lane for lane in self._table.draining if not lane.is_closed))
