"""One version, read from the repository, checked, warmed, and ready to answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model.artifact.checks import check_answers
from model.artifact.manifest import Manifest
from model.artifact.outputs import Session
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId


class CheckedSession(Session, Protocol):
    """A session that can be held against its manifest."""

    def check(self, manifest: Manifest) -> None:
        """Hold the graph against the manifest, or raise `ContractError`."""


OpenSession = Callable[[bytes], CheckedSession]


@dataclass(frozen=True)
class LoadedVersion:
    """A version that passed every check and is ready to answer."""

    id: VersionId
    manifest: Manifest
    session: Session

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and colours of one input image."""
        return self.manifest.image_height, self.manifest.image_width, 3


def load_version(
    repository: ModelRepository, wanted: VersionId, open_session: OpenSession, max_batch_size: int
) -> LoadedVersion:
    """Load one version and check it: hash, contract, golden inputs; then warm it.

    Raises:
        RepositoryError: it is missing, incomplete or corrupt.
        ContractError: its graph or its answers are not what its manifest says.
    """
    stored = repository.read(wanted)
    session = open_session(stored.model)
    session.check(stored.manifest)
    check_answers(stored.manifest, session)
    loaded = LoadedVersion(stored.id, stored.manifest, session)
    # The first run of a size allocates its arena: better here than under a request.
    for batch_size in (1, max_batch_size):
        session(np.zeros((batch_size, *loaded.shape), np.uint8))
    return loaded
