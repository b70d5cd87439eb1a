"""Notices that another version became active, and has it swapped in."""

import asyncio
import logging
import os
from collections.abc import Callable

from model.repository import (
    ACTIVE_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    ModelRepository,
    RepositoryError,
    VersionId,
)
from service.registry import Registry

log = logging.getLogger("goodserve")

Signature = tuple[tuple[int, int, int] | None, ...]


class Watcher:
    """Compares the repository with the registry, each time it is asked."""

    def __init__(
        self, repository: ModelRepository, registry: Registry, on_swap: Callable[[bool], None]
    ) -> None:
        """Watch a repository for a registry; `on_swap` hears of every attempt."""
        self._repository = repository
        self._registry = registry
        self._on_swap = on_swap
        self._refused: Signature | None = None

    def look(self) -> None:
        """Swap if another version is active than the one that serves.

        A refused one is tried again only when its files, or `active.json`, have changed.
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
        if signature == self._refused:
            return
        succeeded = attempt()
        self._refused = None if succeeded else signature
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
            paths += [folder / MODEL_FILE, folder / MANIFEST_FILE]
        return tuple(_stat(str(path)) for path in paths)


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  Path.stat is the same call
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
