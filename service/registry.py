"""The active model: loaded and checked beside the old one, then swapped by one reference."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model.artifact.checks import check_answers
from model.artifact.manifest import Manifest
from model.artifact.outputs import ContractError, Session
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.errors import NotReadyError

log = logging.getLogger("goodserve")


class CheckedSession(Session, Protocol):
    """A session that can be held against its manifest."""

    def check(self, manifest: Manifest) -> None:
        """Hold the graph against the manifest, or raise `ContractError`."""


OpenSession = Callable[[bytes], CheckedSession]


@dataclass(frozen=True)
class LoadedModel:
    """A version that passed every check and is ready to answer."""

    id: VersionId
    manifest: Manifest
    session: Session

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and colours of one input image."""
        return self.manifest.image_height, self.manifest.image_width, 3


@dataclass(frozen=True)
class Refusal:
    """Why a version that was to become active does not serve."""

    version: str
    reason: str


def load_version(
    repository: ModelRepository, wanted: VersionId, open_session: OpenSession, max_batch_size: int
) -> LoadedModel:
    """Load one version and check it: hash, contract, golden inputs; then warm it.

    Raises:
        RepositoryError: it is missing, incomplete or corrupt.
        ContractError: its graph or its answers are not what its manifest says.
    """
    stored = repository.read(wanted)
    session = open_session(stored.model)
    session.check(stored.manifest)
    check_answers(stored.manifest, session)
    loaded = LoadedModel(stored.id, stored.manifest, session)
    for batch_size in (1, max_batch_size):
        session(np.zeros((batch_size, *loaded.shape), np.uint8))
    return loaded


class Registry:
    """Holds the active model and the last refusal. Read by any thread, written by one."""

    def __init__(self, load: Callable[[VersionId], LoadedModel]) -> None:
        """Begin without a model."""
        self._load = load
        self.active: LoadedModel | None = None
        self.refusal: Refusal | None = None

    def require(self) -> LoadedModel:
        """Give the active model.

        Raises:
            NotReadyError: none is loaded.
        """
        if self.active is None:
            why = f": {self.refusal.reason}" if self.refusal else ""
            detail = f"no model is loaded{why}; publish one into the repository"
            raise NotReadyError("not-ready", detail)
        return self.active

    def swap_to(self, wanted: VersionId) -> bool:
        """Load a version and make it active; a bad one is refused and the old one stays.

        Returns:
            Whether `wanted` is active now.
        """
        try:
            loaded = self._load(wanted)
        except (RepositoryError, ContractError) as error:
            self.refuse(str(wanted), str(error))
            return False
        except Exception as error:  # whatever it is, the old version goes on serving
            log.exception("loading %s failed", wanted)
            self.refuse(str(wanted), f"loading failed: {error!r}")
            return False
        self.active, self.refusal = loaded, None
        log.info("serving %s", wanted)
        return True

    def refuse(self, version: str, reason: str) -> None:
        """Remember and log why a version does not serve."""
        refusal = Refusal(version, reason)
        if refusal == self.refusal:
            return  # tried again, to the same end
        self.refusal = refusal
        serving = f"{self.active.id} goes on serving" if self.active else "nothing is served"
        log.error("refused %s: %s; %s", version, reason, serving)
