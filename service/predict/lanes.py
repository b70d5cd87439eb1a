"""All lanes of a service: one for each model that is in use, and those that drain."""

import logging
import math
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from model.artifact.version import VersionId
from service.errors import BusyError, DeadlineError, NotReadyError
from service.predict.lane import Lane

log = logging.getLogger("goodserve")


class Table(NamedTuple):
    """The lanes there are.

    Attributes:
        open: answer by their versions.
        active: the version that answers for each name.
        default: the name that answers where none is given; None before any has.
        draining: retired, with leases that have not ended.
    """

    open: Mapping[VersionId, Lane] = {}
    active: Mapping[str, VersionId] = {}
    default: str | None = None
    draining: tuple[Lane, ...] = ()


class Wanted(NamedTuple):
    """Which model a request names.

    Attributes:
        name: None: the default one.
        version: None: the active one.
        label: in place of a version; see `OnDemand.ensure`.
        key: of the caller, who always gets the same version while another one is on trial.
    """

    name: str | None = None
    version: str | None = None
    label: str | None = None
    key: bytes | None = None


ANY = Wanted()


def choose(table: Table, wanted: Wanted = ANY) -> Lane | None:
    """Say which lane answers a request: a pure rule; None where none is open for it."""
    name = table.default if wanted.name is None else wanted.name
    if name is None:
        return None
    if wanted.version is not None:
        return table.open.get(VersionId(name, wanted.version))
    active = table.active.get(name)
    return None if active is None else table.open.get(active)


class Lanes:
    """Leases lanes to requests and replaces them; belongs to the event loop's thread."""

    def __init__(
        self,
        max_waiting_images: int,
        max_wait_s: float = math.inf,
        max_open: int = 8,
        on_gone: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin without a lane.

        Args:
            max_waiting_images: that may wait or run over all lanes together.
            max_wait_s: that an image may be expected to wait.
            max_open: lanes beside the default model's; beyond, the least lately used one goes.
            on_gone: hears that a lane has drained and is forgotten.
        """
        self._max_waiting_images = max_waiting_images
        self._max_wait_s = max_wait_s
        self._max_open = max_open
        self._on_gone = on_gone
        self._table = Table()
        self._used: dict[VersionId, None] = {}  # the least lately used first
        self._pinned: frozenset[VersionId] = frozenset()
        self.why_none: str | None = None

    @property
    def active(self) -> Lane | None:
        """The lane that answers where no model is named."""
        return choose(self._table)

    @property
    def default(self) -> str | None:
        """The name of the model that answers where none is named."""
        return self._table.default

    @property
    def draining(self) -> tuple[VersionId, ...]:
        """The versions that answer nobody new."""
        return tuple(lane.id for lane in self._table.draining)

    @property
    def serving(self) -> tuple[VersionId, ...]:
        """The active version of every model of which one is loaded: the default one's first."""
        table = self._table
        names = sorted(table.active, key=lambda name: (name != table.default, name))
        return tuple(table.active[name] for name in names)

    def of(self, wanted: Wanted) -> Lane | None:
        """Give the lane that answers for a model, without leasing it."""
        return choose(self._table, wanted)

    @property
    def open(self) -> tuple[Lane, ...]:
        """Every lane that answers: for its name, or for those who name its version."""
        return tuple(self._table.open.values())

    @property
    def all(self) -> tuple[Lane, ...]:
        """Every lane that is open or drains."""
        return (*self._table.open.values(), *self._table.draining)

    @property
    def depth(self) -> int:
        """Count the images that wait or run, over all lanes."""
        return sum(lane.depth for lane in self.all)

    def expected_wait_s(self) -> float:
        """Estimate the seconds after which an image that came now would be answered.

        Any thread may ask: it reads what the event loop replaces whole.
        """
        return sum(lane.expected_wait_s() for lane in self.all)

    def lease(self, images: int, timeout_s: float | None = None, wanted: Wanted = ANY) -> Lane:
        """Lease the lane that answers a request of so many images; the caller releases it.

        Args:
            images: of the request.
            timeout_s: seconds that the caller will wait.
            wanted: the model.

        Raises:
            NotReadyError: no lane is open.
            BusyError: too many images wait already.
            DeadlineError: the answer would come too late for this caller.
        """
        lane = choose(self._table, wanted)
        if lane is None:
            why = f": {self.why_none}" if self.why_none else ""
            detail = f"no model is loaded{why}; publish one into the repository"
            raise NotReadyError("not-ready", detail)
        if lane.is_closed:
            detail = f"a worker of {lane.id} was lost and is being replaced; try again"
            raise NotReadyError("not-ready", detail)
        self.check_wait(images, timeout_s)
        lane.lease()
        self._use(lane.id)
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
        """Make a lane its model's active one; the old one drains and closes with its last lease.

        The first model of all is the default one.
        """
        table, old = self._table, self._table.active.get(lane.id.name)
        self._open(lane)
        active = {**table.active, lane.id.name: lane.id}
        self._table = self._table._replace(active=active, default=table.default or lane.id.name)
        if old is not None and old != lane.id:
            self._retire(old)
        self._keep_few()
        log.info("serving %s", lane.id)

    def add(self, lane: Lane) -> None:
        """Open a lane for requests that name its version; what is active stays so."""
        self._open(lane)
        self._keep_few()
        log.info("serving %s to those who name it", lane.id)

    def promote(self, version: VersionId) -> None:
        """Let a version answer for its name that is open for those who name it."""
        self.install(self._table.open[version])

    def make_default(self, name: str) -> None:
        """Let a model answer where none is named."""
        self._table = self._table._replace(default=name)

    def pin(self, versions: Collection[VersionId]) -> None:
        """Keep these versions open, however seldom they are used."""
        self._pinned = frozenset(versions)

    def keep_only(self, names: Collection[str]) -> None:
        """Let no other model answer for its name; versions that were named stay open."""
        for name, version in self._table.active.items():
            if name not in names:
                self._retire(version)

    def give_up_lost(self) -> None:
        """Answer those who wait in a lane that will not answer them.

        The watcher replaces an active one. Any other is forgotten, and loaded again when named.
        """
        for lane in self.all:
            if lane.is_lost():
                log.error("%s is given up: %s", lane.id, lane.trouble())
                lane.give_up()
        active = set(self._table.active.values())
        for version, lane in self._table.open.items():
            if lane.is_closed and version not in active:
                self._retire(version)
        self._sweep()

    def forgive(self) -> None:
        """Take no lane for hung on account of time in which the whole process stood still."""
        for lane in self.all:
            lane.forgive()

    def close(self) -> None:
        """Close every lane; whoever still waits is told that the service is shutting down."""
        lanes = self.all
        self._table = Table()
        for lane in lanes:
            lane.close()
        for lane in lanes:
            lane.join(timeout_s=5)

    def _open(self, lane: Lane) -> None:
        """Put a lane into the table; another one of the same version drains."""
        before = self._table.open.get(lane.id)
        self._table = self._table._replace(open={**self._table.open, lane.id: lane})
        if before is not None and before is not lane:
            self._drain(before)
        self._use(lane.id)

    def _retire(self, version: VersionId) -> None:
        """Take a lane out of the table, and let it drain."""
        table = self._table
        lanes = {each: lane for each, lane in table.open.items() if each != version}
        active = {name: each for name, each in table.active.items() if each != version}
        self._table = table._replace(open=lanes, active=active)
        self._used.pop(version, None)
        self._drain(table.open[version])

    def _drain(self, lane: Lane) -> None:
        lane.retire()
        self._table = self._table._replace(draining=(*self._table.draining, lane))
        self._sweep()

    def _sweep(self) -> None:
        """Forget the drained lanes that have closed; an open one stays until it is replaced."""
        draining = tuple(lane for lane in self._table.draining if not lane.is_closed)
        is_fewer = len(draining) < len(self._table.draining)
        self._table = self._table._replace(draining=draining)
        if is_fewer:
            self._on_gone()

    def _use(self, version: VersionId) -> None:
        self._used.pop(version, None)
        self._used[version] = None

    def _keep_few(self) -> None:
        """Retire what was used least lately, where too many lanes are open."""
        default = self._table.active.get(self._table.default or "")
        others = [each for each in self._used if each != default and each not in self._pinned]
        for version in others[: max(0, len(others) - self._max_open)]:
            log.info("%s is unloaded: %d others were used since", version, self._max_open)
            self._retire(version)
