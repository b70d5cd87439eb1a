"""Versions copied from one repository to another, under their own names and numbers."""

from model.artifact.repository import ModelRepository
from model.artifact.signing import SIGNATURE_FILE
from model.artifact.storage import prepare, writing
from model.artifact.store import read_graphs, version_files
from model.artifact.version import UnknownVersionError, VersionId


def copy_version(source: ModelRepository, target: ModelRepository, version: VersionId) -> bool:
    """Copy a version with its signature, after reading it whole; it does not become active.

    The number stays, so that a signature goes on holding.

    Returns:
        Whether it was copied: the very same version may be there already.

    Raises:
        UnknownVersionError: the source has no such version.
        BrokenVersionError: it is not what was published, or signed by none who is trusted.
        ConflictError: the target has, or had, another version of this number.
        RepositoryError: the target may not be written.
    """
    # Once: what was checked is what is copied, and each file is a request where a bucket holds it.
    manifest = source.manifest_content(version)
    stored = read_graphs(source.storage, version, manifest)
    files = version_files(stored.model, manifest, stored.graphs)
    signature = _signature(source, version)
    prepare(target.storage)
    is_new = _manifest_there(target, version) != manifest
    # With the files, so that no reader ever meets the version without its signature.
    signed = {SIGNATURE_FILE: signature} if signature is not None else {}
    with writing(target.storage):
        if is_new:
            target.storage.add(version.name, {**signed, **files}, version.version)
        elif signature not in {None, _signature(target, version)}:
            path = f"{version}/{SIGNATURE_FILE}"
            target.storage.replace(path, signed[SIGNATURE_FILE], target.storage.revision(path))
    return is_new


def chosen(source: ModelRepository, named: str) -> VersionId:
    """Read `NAME/VERSION`, or `NAME` for that model's active version.

    Raises:
        UnknownVersionError: no version of that name is active.
        RepositoryError: no version can have such a name.
    """
    if "/" in named:
        return VersionId.parse(named)
    active = source.active(named)
    if active is None:
        message = f"no version of {named} is active in {source.place}; say {named}/VERSION"
        raise UnknownVersionError(message)
    return active


def _signature(repository: ModelRepository, version: VersionId) -> bytes | None:
    try:
        return repository.storage.read(f"{version}/{SIGNATURE_FILE}").content
    except FileNotFoundError:
        return None


def _manifest_there(repository: ModelRepository, version: VersionId) -> bytes | None:
    """Read the manifest of the version that has this number in another repository, if one has."""
    try:
        return ModelRepository(repository.storage).manifest_content(version)
    except UnknownVersionError:
        return None
