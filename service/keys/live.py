"""Keys as the settings name them, read again while the service runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from service.errors import describe
from service.keys.file import read_keys, signature
from service.keys.key import Keys, KeysError, parse_keys
from service.keys.rate import own_cell, shared_cells
from service.keys.ring import KeyRing
from service.settings import PREFIX, Settings

log = logging.getLogger("goodserve")

LOOK_EVERY_S = 0.5


class LiveKeys:
    """The keys of the environment, which stay, and those of a file, which may change."""

    def __init__(self, settings: Settings) -> None:
        """Read them.

        Raises:
            KeysError: they cannot be read.
        """
        self._fixed = Keys()
        if settings.api_keys:
            self._fixed = parse_keys(settings.api_keys, f"{PREFIX}API_KEYS")
        self._path = settings.keys_file
        self._signature = self._path and signature(self._path)
        self._failure: str | None = None
        shared = settings.metrics_folder
        self.ring = KeyRing(self._read(), shared_cells(shared) if shared else own_cell)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep in step with the file while the block lasts."""
        if self._path is None:
            yield
            return
        task = asyncio.create_task(self._watch(self._path))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self, path: Path) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look(path)
            except Exception:  # one look that fails must not be the last
                log.exception("looking for changed keys failed")

    async def _look(self, path: Path) -> None:
        """Read the file again if it is another one; keep the old keys if it is damaged.

        Errors of the system, such as too many open files, are tried again at the next look: the
        file may be sound, and a key may have been revoked in it.
        """
        now = await asyncio.to_thread(signature, path)
        if now == self._signature:
            return
        try:
            keys = await asyncio.to_thread(self._read)
            self.ring.replace(keys)
        except (KeysError, OSError) as error:
            if not isinstance(error.__cause__ or error, OSError):
                self._signature = now  # its content is damaged, until it changes
            self._say(str(error))
            return
        self._signature, self._failure = now, None
        log.info(
            "%s was read again: %s", path, ", ".join(key.name for key in keys.keys) or "no keys"
        )

    def _say(self, failure: str) -> None:
        """Log why the file was not taken; the same again is not logged again."""
        if failure != self._failure:
            log.error("the old keys go on: %s", failure)
        self._failure = failure

    def _read(self) -> Keys:
        """Put the keys of environment and file together.

        Raises:
            KeysError: the file cannot be read, or has a key that the environment has, too.
        """
        if self._path is None:
            return self._fixed
        read = read_keys(self._path)
        try:
            return Keys(keys=(*self._fixed.keys, *read.keys))
        except ValidationError as error:
            message = f"{PREFIX}API_KEYS and {self._path}: {describe(error, 'together')}"
            raise KeysError(message) from error


def live_keys(settings: Settings) -> LiveKeys | None:
    """Read the keys of file and text; None where neither is set, and all may predict.

    A file or text without keys lets nobody in.

    Raises:
        KeysError: they cannot be read.
    """
    if settings.keys_file is None and not settings.api_keys:
        return None
    return LiveKeys(settings)
