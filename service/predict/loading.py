"""One version, read from the repository, checked, warmed, and ready to answer."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from model.artifact.checks import check_answers
from model.artifact.manifest import Manifest
from model.artifact.outputs import FAMILIARITY, Session
from model.artifact.repository import ModelRepository, StoredVersion
from model.artifact.version import VersionId
from service.predict.anytime import Early, open_early
from service.predict.evidence import Explainer, OpenGraph, open_explainer

log = logging.getLogger("goodserve")


class CheckedSession(Session, Protocol):
    """A session that can be held against its manifest."""

    def check(self, manifest: Manifest) -> None:
        """Hold the graph against the manifest, or raise `ContractError`."""


# Opens the bytes of a model for runs of so many threads.
OpenSession = Callable[[bytes, int], CheckedSession]


@dataclass(frozen=True)
class RunSizes:
    """How a version is run.

    Attributes:
        max_batch_size: images in one run.
        threads: within a run, where several run side by side.
        lone_threads: within a run that has the machine to itself.
    """

    max_batch_size: int
    threads: int = 1
    lone_threads: int = 1


@dataclass(frozen=True)
class Further:
    """What is made of the further graphs that a version may have.

    Attributes:
        early: when it may stop early; None: never.
        open_graph: opens the graph that takes scores apart; None: they are not taken apart.
    """

    early: Early | None = None
    open_graph: OpenGraph | None = None


NOTHING_FURTHER = Further()


@dataclass(frozen=True)
class LoadedVersion:
    """A version that passed every check and is ready to answer.

    Attributes:
        id: its name and version.
        manifest: what is known about it.
        session: runs batches; several workers may call it at once.
        lone_session: runs one image as fast as it goes, while nothing else runs.
        explainer: takes scores apart; None where the version has no graph for it.
    """

    id: VersionId
    manifest: Manifest
    session: Session
    lone_session: Session
    explainer: Explainer | None = None

    @property
    def also(self) -> tuple[str, ...]:
        """Name what every answer carries beside scores and probabilities, where it can."""
        return () if self.manifest.familiarity is None else (FAMILIARITY,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and colours of one input image."""
        return self.manifest.image_height, self.manifest.image_width, 3


def load_version(
    repository: ModelRepository,
    wanted: VersionId,
    open_session: OpenSession,
    sizes: RunSizes,
    further: Further = NOTHING_FURTHER,
) -> LoadedVersion:
    """Load one version and check it: hash, contract, golden inputs; then warm it.

    Args:
        repository: holds it.
        wanted: its name and version.
        open_session: opens its model.
        sizes: how it is run.
        further: what is made of its further graphs.

    Raises:
        RepositoryError: it is missing, incomplete or corrupt.
        ContractError: its graph or its answers are not what its manifest says.
    """
    stored = repository.read(wanted)
    session: Session = _checked(stored, open_session, sizes.threads)
    lone, own_lone = session, sizes.lone_threads > sizes.threads
    if own_lone:
        lone = _checked(stored, open_session, sizes.lone_threads)
    explainer = None
    if further.open_graph is not None:
        largest = sizes.max_batch_size
        explainer = open_explainer(stored, further.open_graph, session, sizes.threads, largest)
    loaded = LoadedVersion(stored.id, stored.manifest, session, lone, explainer)
    # The first run of a size allocates its arena: better here than under a request.
    lone(np.zeros((1, *loaded.shape), np.uint8))
    session(np.zeros((sizes.max_batch_size, *loaded.shape), np.uint8))
    early = further.early
    if early is None:
        return loaded
    if stored.manifest.anytime is None:
        log.info("%s is served whole: goodserve-train anytime has not cut it", stored.id)
        return loaded
    session = open_early(stored, session, early, sizes.threads, sizes.max_batch_size)
    lone = open_early(stored, lone, early, sizes.lone_threads, 1) if own_lone else session
    return replace(loaded, session=session, lone_session=lone)


def _checked(stored: StoredVersion, open_session: OpenSession, threads: int) -> CheckedSession:
    session = open_session(stored.model, threads)
    session.check(stored.manifest)
    check_answers(stored.manifest, session)
    return session
