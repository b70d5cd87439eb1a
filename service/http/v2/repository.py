"""The model repository in the protocol's words: an index, and what clients may not ask of it."""

from collections.abc import Mapping
from contextlib import suppress

from model.artifact.manifest import Manifest
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.errors import ConflictError, ForbiddenError, NotFoundError, NotReadyError
from service.http.published import published
from service.http.v2.schemas import IndexEntry

READY, UNAVAILABLE = "READY", "UNAVAILABLE"
NOT_LOADED = "not loaded; the first request for an answer that names it loads it"
_LONGEST_NAME = 100


def index(
    repository: ModelRepository,
    troubles: Mapping[VersionId, str | None],
    refused: Mapping[str, str],
) -> list[IndexEntry]:
    """List what is published; it reads the disk.

    Args:
        repository: to list.
        troubles: the versions that are loaded, and why each does not answer well; None: it does.
        refused: why versions were refused, by their names.

    Raises:
        NotReadyError: the repository cannot be listed.
    """

    def entry(version: VersionId) -> IndexEntry:
        trouble = troubles.get(version, NOT_LOADED)
        if version not in troubles:
            trouble = refused.get(str(version)) or _broken(repository, version) or NOT_LOADED
        state = READY if trouble is None else UNAVAILABLE
        return IndexEntry(
            name=version.name, version=version.version, state=state, reason=trouble or ""
        )

    return [entry(version) for version in published(repository)]


def described(
    repository: ModelRepository, version: VersionId, loaded: Manifest | None
) -> tuple[list[str], Manifest]:
    """Give a version's manifest, and which versions there are beside it; it reads the disk.

    Args:
        repository: to look in.
        version: that is asked about.
        loaded: its manifest, where it is loaded: it answers, whatever became of its files.

    Raises:
        ConflictError: the manifest cannot be read.
        NotReadyError: the repository cannot be listed.
    """
    if loaded is not None:
        with suppress(NotReadyError):
            return _versions_beside(repository, version), loaded
        return [version.version], loaded
    beside = _versions_beside(repository, version)
    try:
        return beside, repository.manifest(version)
    except RepositoryError as error:
        raise ConflictError("version-refused", f"{version} was refused: {error}") from error


def _versions_beside(repository: ModelRepository, version: VersionId) -> list[str]:
    there = {each.version for each in published(repository) if each.name == version.name}
    return sorted(there | {version.version}, key=int)


def check_unload(repository: ModelRepository, name: str, *, is_loaded: bool) -> None:
    """Let an unload pass that changes nothing.

    Raises:
        NotFoundError: nothing of that name is published.
        ForbiddenError: the model is loaded.
        NotReadyError: the repository cannot be listed.
    """
    if name not in {each.name for each in published(repository)}:
        detail = f"no version of {name[:_LONGEST_NAME]!r} is published"
        raise NotFoundError("unknown-model", detail)
    if is_loaded:
        detail = (
            f"{name} cannot be unloaded over HTTP: clients may not change what serves; an operator "
            "can, with goodserve models"
        )
        raise ForbiddenError("not-by-clients", detail)


def _broken(repository: ModelRepository, version: VersionId) -> str | None:
    try:
        repository.manifest(version)
    except RepositoryError as error:
        return str(error)
    return None
