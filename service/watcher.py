"""Notices that another version became active, and has it swapped in."""

import asyncio
import logging
import os
import time
from collections.abc import Callable

from model.artifact.repository import ACTIVE_FILE, MANIFEST_FILE, MODEL_FILE, ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.registry import Registry

log = logging.getLogger("goodserve")

Signature = tuple[tuple[int, ...] | None, ...]

# What has nothing to do with the files, such as a full GPU, passes without changing them.
RETRY_S = 30


class Watcher:
    """Compares the repository with the registry, each time it is asked."""

    def __init__(
        self,
        repository: ModelRepository,
        registry: Registry,
        on_swap: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a repository for a registry; `on_swap` hears of every attempt."""
        self._clock = clock
        self._retry_at = 0.0
        self._repository = repository
        self._registry = registry
        self._on_swap = on_swap
        self._refused: Signature | None = None

    def look(self) -> None:
        """Swap if another version is active than the one that serves.

        A refused one is tried again when its files or `active.json` have changed, or after
        half a minute.
        """
        try:
            wanted = self._repository.active()
        except RepositoryError as error:
            reason = str(error)
            self._try_once(self._signature(None), lambda: self._refuse_file(reason))
            return
        serving = self._registry.active
        if wanted is None or (serving is not None and serving.id == wanted):
            self._refused = None
            self._registry.refusal = None
            return
        self._try_once(self._signature(wanted), lambda: self._registry.swap_to(wanted))

    async def watch(self, interval_s: float) -> None:
        """Look again and again, in a thread, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # one look that fails must not be the last
                log.exception("looking for a new version failed")

    def _try_once(self, signature: Signature, attempt: Callable[[], bool]) -> None:
        if signature == self._refused and self._clock() < self._retry_at:
            return
        succeeded = attempt()
        self._refused = None if succeeded else signature
        self._retry_at = self._clock() + RETRY_S
        self._on_swap(succeeded)

    def _refuse_file(self, reason: str) -> bool:
        self._registry.refuse(ACTIVE_FILE, reason)
        return False

    def _signature(self, wanted: VersionId | None) -> Signature:
        """Tell one state of the files from another without reading them."""
        root = self._repository.root
        paths = [root / ACTIVE_FILE]
        if wanted is not None:
            folder = root / wanted.name / wanted.version
            paths += [folder, folder / MODEL_FILE, folder / MANIFEST_FILE]
        return tuple(_stat(str(path)) for path in paths)


def _stat(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  Path.stat is the same call
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
