"""Loads versions beside those that answer, without taking cores from them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.predict.apart import run_apart
from service.predict.floor import check_floor
from service.predict.loading import (
    Further,
    LoadedVersion,
    OpenSession,
    RunSizes,
    load_version,
)
from service.predict.turns import turn

Opened = TypeVar("Opened")
Open = Callable[[bytes, int], Opened]


@dataclass(frozen=True)
class Opening:
    """How versions are loaded.

    Attributes:
        repository: holds them.
        open_session: opens a model.
        sizes: how they are run.
        further: what is made of their further graphs.
        floor_points: percentage points that one may be worse than the one before; None: any.
        timeout_s: seconds in which one must be loaded.
        turns: a file by which the processes of a service take turns; None: there is one process.
    """

    repository: ModelRepository
    open_session: OpenSession
    sizes: RunSizes
    further: Further
    floor_points: float | None
    timeout_s: float
    turns: Path | None = None

    async def load(
        self, wanted: VersionId, before: VersionId | None, *, gives_way: bool
    ) -> LoadedVersion:
        """Load one version, and hold it against the one in whose place it would answer.

        Args:
            wanted: its name and version.
            before: the one before, where it is known.
            gives_way: whether those who answer go first: one process loads at a time, and its
                thread gets a core mostly where nobody answers.

        Raises:
            RepositoryError: it is missing, incomplete or corrupt.
            ContractError: it is not what its manifest says, or worse than it may be.
            TimeoutError: it was not loaded in time.
        """
        loop = asyncio.get_running_loop()
        work = partial(self._load, wanted, before, loop)
        async with turn(self.turns if gives_way else None):
            return await run_apart(work, self.timeout_s, gives_way=gives_way)

    def _load(
        self, wanted: VersionId, before: VersionId | None, loop: asyncio.AbstractEventLoop
    ) -> LoadedVersion:
        further = self._further(loop)
        session = self._pooled(self.open_session, loop)
        version = load_version(self.repository, wanted, session, self.sizes, further)
        if before is not None and self.floor_points is not None:
            size = self.sizes.max_batch_size
            check_floor(self.repository, version, before, self.floor_points, size)
        return version

    def _further(self, loop: asyncio.AbstractEventLoop) -> Further:
        early, graph = self.further.early, self.further.open_graph
        if early is not None:
            early = replace(early, open_stage=self._pooled(early.open_stage, loop))
        return Further(early, None if graph is None else self._pooled(graph, loop))

    def _pooled(self, opens: Open[Opened], loop: asyncio.AbstractEventLoop) -> Open[Opened]:
        """Have a thread that does not give way open what has a pool of threads.

        They would answer with the priority of the thread that started them, for ever.
        """

        def opened(graph: bytes, threads: int) -> Opened:
            if threads == 1:
                return opens(graph, threads)
            work = run_apart(partial(opens, graph, threads), self.timeout_s)
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        return opened
