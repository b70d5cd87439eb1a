"""Notices that another version became active, or that a lane is in trouble, and swaps."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from model.artifact.active import Active
from model.artifact.outputs import ContractError
from model.artifact.place import without_place
from model.artifact.repository import ACTIVE_FILE, ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.predict.lane import Lane
from service.predict.lanes import Lanes, Wanted
from service.predict.refusals import (
    PASSING,
    RETRY_S,
    SHORTAGE,
    Refusal,
    Refusals,
    Signature,
    kind_of,
    pause_s,
)
from service.predict.trials import Trials

log = logging.getLogger("goodserve")

OpenLane = Callable[[VersionId, VersionId | None], Awaitable[Lane]]
# A lane in trouble is replaced at once; one that goes on failing, ever more seldom.
_FIRST_PAUSE_S = 0.5
# Of those that were active before, so many are tried where the active version cannot serve.
_MOST_TRIED_BEFORE = 3


@dataclass
class _Pause:
    """Between two replacements of a lane that goes on failing."""

    seconds: float = 0.0
    until: float = 0.0


class Watcher:
    """Compares the repository with the lanes, each time it is asked.

    The repository is read in a thread; lanes are touched on the event loop alone.
    """

    def __init__(  # noqa: PLR0913  what it keeps in step, who hears of it, and a clock
        self,
        repository: ModelRepository,
        lanes: Lanes,
        open_lane: OpenLane,
        *,
        trials: Trials | None = None,
        on_swap: Callable[[bool], None] = lambda _succeeded: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a repository for the lanes.

        Args:
            repository: names the active version.
            lanes: to be kept in step with it.
            open_lane: loads and checks a version, beside the one in whose place it would answer
                where that is known, and puts it to work.
            trials: of versions, to be kept in step with it too.
            on_swap: hears of every attempt, and whether it succeeded.
            clock: gives monotonic seconds.
        """
        self._repository = repository
        self._lanes = lanes
        self._open_lane = open_lane
        self._trials = trials or Trials(repository, lanes)
        self._on_swap = on_swap
        self._clock = clock
        self._loads: dict[str, asyncio.Lock] = {}
        self._pauses: dict[str, _Pause] = {}
        self.refusals = Refusals(clock)
        self.loading: set[VersionId] = set()
        self.state: Active | None = None

    @property
    def refusal(self) -> Refusal | None:
        """What stands in the default model's way, or in that of `active.json`, or of any model."""
        default = self._lanes.default
        ways = (default, ACTIVE_FILE) if default is not None else (ACTIVE_FILE,)
        found = next((self.refusals[of] for of in ways if of in self.refusals), None)
        return found or next(iter(self.refusals.standing()), None)

    async def look(self) -> None:
        """Swap where another version is active than the one that answers, or that is in trouble.

        The default model is loaded; of the others only those that are loaded already. A refused
        version is tried again when its files or `active.json` have changed, or after half a minute.
        """
        try:
            state = await asyncio.to_thread(self._repository.state)
        except RepositoryError as error:
            signature = await asyncio.to_thread(self._signature, None)
            if self.refusals.is_worth_a_try(ACTIVE_FILE, signature):
                self._refuse(ACTIVE_FILE, ACTIVE_FILE, (kind_of(error), str(error)), signature)
                self._on_swap(False)  # noqa: FBT003  a callback
            return
        self._forget_refusal(ACTIVE_FILE)
        if state is None:
            if self._lanes.active is not None:
                await self._replace_if_troubled(self._lanes.active)
            return
        self.state = state
        active = {name: str(VersionId(name, each.active)) for name, each in state.models.items()}
        self.refusals.keep_only(active)
        loaded = {version.name for version in self._lanes.serving}
        for name in state.models:
            if name == state.default or name in loaded:
                await self._follow(state, name)
        # When its new default answers, and not before: until then the old one does.
        if self._lanes.of(Wanted(state.default)) is not None:
            self._lanes.make_default(state.default)
            self._lanes.keep_only(state.models)
        await self._follow_trials(state)

    async def load(self, wanted: VersionId) -> str | None:
        """Load a version for requests that name it; many may ask at once.

        Returns:
            Why it is refused; None where it is loaded.
        """
        async with self._loads.setdefault(str(wanted), asyncio.Lock()):
            if self._lanes.of(Wanted(wanted.name, wanted.version)) is not None:
                return None
            of = str(wanted)
            signature = await asyncio.to_thread(self._signature, wanted)
            if not self.refusals.is_worth_a_try(of, signature):
                return self.refusals[of].reason
            lane = await self._opened(of, wanted, signature)
            self._on_swap(lane is not None)
            if lane is None:
                return self.refusals[of].reason
            self._lanes.add(lane)
            return None

    async def bring_up(self, state: Active, name: str) -> str | None:
        """Let a model answer that is not loaded yet; many may ask at once.

        Args:
            state: which version of it is active.
            name: of the model.

        Returns:
            Why its version is refused; None where it answers.
        """
        async with self._loads.setdefault(name, asyncio.Lock()):
            if self._lanes.of(Wanted(name)) is None:
                await self._follow(state, name)
            if self._lanes.of(Wanted(name)) is not None:
                return None
            known = self.refusals.get(name)
            # It is forgotten where another version became active meanwhile.
            return known.reason if known is not None else "another version became active meanwhile"

    async def _follow(self, state: Active, name: str) -> None:
        """Let a model answer by its active version; where that cannot be, by one before it."""
        history = state.models[name]
        wanted = VersionId(name, history.active)
        lane = self._lanes.of(Wanted(name))
        if lane is not None and lane.id == wanted:
            self._forget_refusal(name)
        else:
            signature = await asyncio.to_thread(self._signature, wanted)
            if self.refusals.is_worth_a_try(name, signature):
                before = lane.id if lane is not None else _last(name, history.previous)
                self._on_swap(await self._swap_to(wanted, signature, before))
            lane = self._lanes.of(Wanted(name))
        if lane is not None:
            await self._replace_if_troubled(lane)
            return
        # As if the process had not been started anew: the version before would still serve.
        for version in reversed(history.previous[-_MOST_TRIED_BEFORE:]):
            stand_in = VersionId(name, version)
            if await self.load(stand_in) is None:
                self._lanes.promote(stand_in)
                log.error("%s cannot serve; %s, active before, does", wanted, stand_in)
                return

    async def _follow_trials(self, state: Active) -> None:
        """Load the versions on trial of the models that are loaded."""
        self._trials.follow(state)
        tried = [
            trial
            for name in {version.name for version in self._lanes.serving}
            if (trial := self._trials.of(name)) is not None and trial.failure is None
        ]
        self._lanes.pin([trial.id for trial in tried])
        for trial in tried:
            refused = await self.load(trial.id)
            known = self.refusals.get(str(trial.id))
            # What passes is this machine's fault: the trial goes on, here as soon as it can.
            if refused is not None and (known is None or known.kind not in PASSING):
                self._trials.refuse(trial, refused)

    async def watch(self, interval_s: float) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.look()
            except Exception:  # one look that fails must not be the last
                log.exception("looking for a new version failed")

    async def _replace_if_troubled(self, active: Lane) -> None:
        """Load the same version anew beside a lane that does not answer well.

        A lane that only complained goes on answering until then.
        """
        trouble, now = active.trouble(), self._clock()
        pause = self._pauses.setdefault(active.id.name, _Pause())
        if trouble is None and now > pause.until + RETRY_S:
            pause.seconds = 0.0
        if trouble is None or now < pause.until:
            return
        log.error("replacing %s: %s", active.id, trouble)
        pause.seconds = min(max(2 * pause.seconds, _FIRST_PAUSE_S), RETRY_S)
        pause.until = now + pause.seconds
        # The files did not change, so the same bytes are loaded: the session is what is replaced.
        signature = await asyncio.to_thread(self._signature, active.id)
        self._on_swap(await self._swap_to(active.id, signature))

    async def _swap_to(
        self, wanted: VersionId, signature: Signature, before: VersionId | None = None
    ) -> bool:
        """Load a version and install its lane; a bad one is refused and the old one stays."""
        lane = await self._opened(wanted.name, wanted, signature, before)
        if lane is not None:
            self._lanes.install(lane)
        return lane is not None

    async def _opened(
        self,
        of: str,
        wanted: VersionId,
        signature: Signature,
        before: VersionId | None = None,
    ) -> Lane | None:
        """Load a version; None where it is refused, which is remembered under `of`."""
        self.loading.add(wanted)
        try:
            lane = await self._open_lane(wanted, before)
        except (RepositoryError, ContractError) as error:
            self._refuse(of, str(wanted), (kind_of(error), str(error)), signature)
            return None
        except TimeoutError as error:
            # A thread is busy with it until the process ends: one is enough for the same files.
            reason = "it was not loaded in time, and is not tried again until its files change"
            self._refuse(of, str(wanted), (kind_of(error), reason), signature, math.inf)
            return None
        except Exception as error:  # whatever it is, the old version goes on serving
            why = kind_of(error), f"loading failed: {error!r}"
            if why[0] != SHORTAGE:  # of which the reason says all, and which comes again and again
                log.exception("loading %s failed", wanted)
            self._refuse(of, str(wanted), why, signature)
            return None
        finally:
            self.loading.discard(wanted)
        self._forget_refusal(of)
        return lane

    def _refuse(
        self,
        of: str,
        version: str,
        why: tuple[str, str],
        signature: Signature,
        retry_s: float | None = None,
    ) -> None:
        lane = self._lanes.of(Wanted(of)) or self._lanes.active
        kind, reason = why[0], without_place(why[1], self._repository.place)
        self._lanes.why_none = reason
        if retry_s is None:
            is_file = of == ACTIVE_FILE
            retry_s = RETRY_S if is_file else pause_s(kind, is_named=of == version)
        refusal = Refusal(version, reason, signature, self._clock() + retry_s, kind)
        self.refusals.refuse(of, refusal, lane.id if lane is not None else None)

    def _forget_refusal(self, of: str) -> None:
        self.refusals.forget(of)
        if not self.refusals:
            self._lanes.why_none = None

    def _signature(self, wanted: VersionId | None) -> Signature:
        """Tell one state of the files from another without reading them."""
        # Reading and hashing megabytes four times a second would show.
        return self._repository.signature(wanted)


def _last(name: str, versions: Sequence[str]) -> VersionId | None:
    return VersionId(name, versions[-1]) if versions else None
