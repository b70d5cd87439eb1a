"""What is done to published versions: they are signed, and deleted when nobody needs them."""

from collections.abc import Iterator
from pathlib import Path

from model.artifact.active import Active
from model.artifact.active_file import change_active, read_active
from model.artifact.repository import ModelRepository
from model.artifact.signing import sign_version
from model.artifact.storage import writing
from model.artifact.store import read_graphs
from model.artifact.version import NeededError, UnknownVersionError, VersionId, not_there


def delete_version(repository: ModelRepository, version: VersionId) -> None:
    """Delete a version: readers find it whole or not at all, and its number is not given again.

    What is active, labelled, on trial or next to be rolled back to is refused; a version that was
    active longer ago is taken out of the history, so that roll-back never meets a gap.

    Raises:
        UnknownVersionError: there is no such version.
        NeededError: it is needed.
        RepositoryError: nothing may be written.
    """
    storage = repository.storage
    if version not in repository.versions():
        raise not_there(version, repository.place)

    def forgotten(state: Active | None) -> Active:
        assert state is not None  # noqa: S101  nothing is forgotten where nothing is known
        return state.forgetting(version)

    def is_needed() -> bool:
        state = read_active(storage)[0]
        return state is not None and state.why_needed(version) is not None

    with writing(storage):
        # First, so that a deleter killed here leaves a shorter history and no gap in it.
        if read_active(storage)[0] is not None:
            change_active(storage, forgotten)
        storage.remove(version, is_needed)


def sign(repository: ModelRepository, version: VersionId, key: Path) -> None:
    """Sign a version with the private key in a file, after reading it whole.

    Raises:
        UnknownVersionError: there is no such version.
        RepositoryError: it is broken, the key cannot be read, or nothing may be written.
    """
    anybodys = ModelRepository(repository.storage)
    manifest = anybodys.manifest_content(version)
    read_graphs(repository.storage, version, manifest)
    sign_version(repository.storage, version, manifest, key)


def unneeded_versions(
    repository: ModelRepository, keep: int, name: str | None = None
) -> list[VersionId]:
    """List what `gc` deletes: all but the last versions of each name, and what is needed.

    Args:
        repository: to look through.
        keep: the last versions that stay of each name.
        name: of the one model to look at; None: all.

    Raises:
        UnknownVersionError: there are none of that name.
        RepositoryError: the repository or its `active.json` cannot be read: what is needed is
            then unknown.
    """
    state = repository.state()
    versions = [each for each in repository.versions() if name in {None, each.name}]
    if name is not None and not versions:
        message = f"there are no versions of {name!r} in {repository.place}"
        raise UnknownVersionError(message)
    return [
        each
        for each in versions
        if each not in _last(versions, each.name, keep)
        and (state is None or state.why_needed(each) is None)
    ]


def collect_garbage(
    repository: ModelRepository, keep: int, name: str | None = None
) -> Iterator[VersionId]:
    """Delete what `unneeded_versions` lists, and what killed writers left; name each one deleted.

    Raises:
        UnknownVersionError: there are none of that name.
        RepositoryError: the repository cannot be read or written.
    """
    for version in unneeded_versions(repository, keep, name):
        try:
            delete_version(repository, version)
        except (UnknownVersionError, NeededError):
            continue  # somebody else has deleted it, or has come to need it
        yield version
    with writing(repository.storage):
        repository.storage.sweep()


def _last(versions: list[VersionId], name: str, keep: int) -> list[VersionId]:
    own = [each for each in versions if each.name == name]
    return own[max(0, len(own) - keep) :]
