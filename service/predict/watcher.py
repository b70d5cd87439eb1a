"""Notices that another version became active, or that a lane is in trouble, and swaps."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from model.artifact.anytime import PREFIX_FILE, SUFFIX_FILE
from model.artifact.outputs import ContractError
from model.artifact.repository import ACTIVE_FILE, MANIFEST_FILE, MODEL_FILE, ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.predict.lane import Lane
from service.predict.lanes import Lanes

log = logging.getLogger("goodserve")

Signature = tuple[tuple[int, ...] | None, ...]

# Retry transient failures (for example GPU out of memory) even if no file changed.
RETRY_S = 30.0
# A lane in trouble is replaced at once; one that goes on failing, ever more seldom.
_FIRST_PAUSE_S = 0.5


@dataclass(frozen=True)
class Refusal:
    """Why a version that was to become active does not serve: the one place that remembers.

    Attributes:
        version: its name, or the file that names it.
        reason: for people.
        signature: the state of its files; another one is worth another try.
        retry_at: when to try again all the same, in seconds of the clock.
    """

    version: str
    reason: str
    signature: Signature
    retry_at: float


class Watcher:
    """Compares the repository with the lanes, each time it is asked.

    The repository is read in a thread; lanes are touched on the event loop alone.
    """

    def __init__(
        self,
        repository: ModelRepository,
        lanes: Lanes,
        open_lane: Callable[[VersionId], Awaitable[Lane]],
        on_swap: Callable[[bool], None] = lambda _succeeded: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a repository for the lanes.

        Args:
            repository: names the active version.
            lanes: to be kept in step with it.
            open_lane: loads and checks a version, and puts it to work.
            on_swap: hears of every attempt, and whether it succeeded.
            clock: gives monotonic seconds.
        """
        self._repository = repository
        self._lanes = lanes
        self._open_lane = open_lane
        self._on_swap = on_swap
        self._clock = clock
        self._pause_s = 0.0
        self._replace_at = 0.0
        self.refusal: Refusal | None = None

    async def look(self) -> None:
        """Swap if another version is active than the one that answers, or if that is in trouble.

        A refused version is tried again when its files or `active.json` have changed, or after
        half a minute.
        """
        try:
            wanted = await asyncio.to_thread(self._repository.active)
        except RepositoryError as error:
            signature = await asyncio.to_thread(self._signature, None)
            if self._is_worth_a_try(signature):
                self._refuse(ACTIVE_FILE, str(error), signature)
                self._on_swap(False)  # noqa: FBT003  a callback
            return
        active = self._lanes.active
        if wanted is None or (active is not None and active.id == wanted):
            self._forget_refusal()
            if active is not None:
                await self._replace_if_troubled(active)
            return
        signature = await asyncio.to_thread(self._signature, wanted)
        if self._is_worth_a_try(signature):
            self._on_swap(await self._swap_to(wanted, signature))

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
        if trouble is None and now > self._replace_at + RETRY_S:
            self._pause_s = 0.0
        if trouble is None or now < self._replace_at:
            return
        log.error("replacing %s: %s", active.id, trouble)
        self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), RETRY_S)
        self._replace_at = now + self._pause_s
        # The files did not change, so the same bytes are loaded: the session is what is replaced.
        signature = await asyncio.to_thread(self._signature, active.id)
        self._on_swap(await self._swap_to(active.id, signature))

    async def _swap_to(self, wanted: VersionId, signature: Signature) -> bool:
        """Load a version and install its lane; a bad one is refused and the old one stays."""
        try:
            lane = await self._open_lane(wanted)
        except (RepositoryError, ContractError) as error:
            self._refuse(str(wanted), str(error), signature)
            return False
        except Exception as error:  # whatever it is, the old version goes on serving
            log.exception("loading %s failed", wanted)
            self._refuse(str(wanted), f"loading failed: {error!r}", signature)
            return False
        self._lanes.install(lane)
        self._forget_refusal()
        return True

    def _is_worth_a_try(self, signature: Signature) -> bool:
        refusal = self.refusal
        if refusal is None or refusal.signature != signature:
            return True
        return self._clock() >= refusal.retry_at

    def _refuse(self, version: str, reason: str, signature: Signature) -> None:
        """Remember and log why a version does not serve; the same again is not logged again."""
        known, active = self.refusal, self._lanes.active
        self.refusal = Refusal(version, reason, signature, self._clock() + RETRY_S)
        self._lanes.why_none = reason
        if known is not None and (known.version, known.reason) == (version, reason):
            return
        serving = f"{active.id} goes on serving" if active else "nothing is served"
        log.error("refused %s: %s; %s", version, reason, serving)

    def _forget_refusal(self) -> None:
        self.refusal = self._lanes.why_none = None

    def _signature(self, wanted: VersionId | None) -> Signature:
        """Tell one state of the files from another without reading them."""
        root = self._repository.root
        paths = [root / ACTIVE_FILE]
        if wanted is not None:
            folder = root / wanted.name / wanted.version
            files = (MODEL_FILE, MANIFEST_FILE, PREFIX_FILE, SUFFIX_FILE)
            paths += [folder, *(folder / file for file in files)]
        # Some stats a look; reading and hashing megabytes four times a second would show.
        return tuple(_stat(str(path)) for path in paths)


def _stat(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  Path.stat is the same call
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
