"""The files of one version: read whole, and held against their hashes."""

import errno
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from model.artifact.manifest import Manifest
from model.artifact.signing import TrustedKeys
from model.artifact.storage import MANIFEST_FILE, MODEL_FILE, Storage
from model.artifact.version import (
    BrokenVersionError,
    RepositoryError,
    VersionId,
    is_of_the_file,
    not_there,
)

# Far above what golden pictures and a thousand classes need.
_MOST_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True)
class StoredVersion:
    """One version, read whole and found to be what its manifest says.

    Attributes:
        id: its name and version.
        manifest: what is known about it.
        model: the bytes of the ONNX file.
        graphs: the bytes of the further files that the manifest names, by name.
    """

    id: VersionId
    manifest: Manifest
    model: bytes
    graphs: Mapping[str, bytes] = field(default_factory=dict)


def read_version(
    storage: Storage, wanted: VersionId, trusted: TrustedKeys | None = None
) -> StoredVersion:
    """Read one version and hold it against its manifest.

    Raises:
        UnknownVersionError: there is no such version.
        BrokenVersionError: a file is missing, or a graph is not what was published or signed.
        RepositoryError: a file cannot be read just now.
    """
    return read_graphs(storage, wanted, read_manifest(storage, wanted, trusted))


def read_graphs(storage: Storage, wanted: VersionId, content: bytes) -> StoredVersion:
    """Read the rest of a version, and hold it against its manifest.

    Args:
        storage: where it is.
        wanted: the version.
        content: its manifest, as `read_manifest` gave it.

    Raises:
        UnknownVersionError: the version has gone.
        BrokenVersionError: a file is missing, or a graph is not what was published.
        RepositoryError: a file cannot be read just now.
    """
    manifest = parse_manifest(wanted, content)
    model = _read(storage, wanted, MODEL_FILE)
    graphs = {name: _read(storage, wanted, name) for name in manifest.graphs}
    check_graphs(str(wanted), model, manifest, graphs)
    return StoredVersion(wanted, manifest, model, graphs)


def read_manifest(storage: Storage, wanted: VersionId, trusted: TrustedKeys | None = None) -> bytes:
    """Read one version's manifest alone; the model is not looked at.

    Raises:
        UnknownVersionError: there is no such version.
        BrokenVersionError: the manifest is missing, or signed by none who is trusted.
        RepositoryError: it cannot be read just now.
    """
    content = _read(storage, wanted, MANIFEST_FILE, _MOST_MANIFEST_BYTES)
    if trusted is not None:
        # The same bytes are parsed: nothing that is read later counts.
        trusted.check(storage, wanted, content)
    return content


def parse_manifest(of: VersionId, content: bytes) -> Manifest:
    """Read what a manifest says.

    Raises:
        BrokenVersionError: it does not parse.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or MANIFEST_FILE
        message = f"{of} has a bad manifest: {where}: {first['msg']}"
        raise BrokenVersionError(message) from error


def check_graphs(what: str, model: bytes, manifest: Manifest, graphs: Mapping[str, bytes]) -> None:
    """Hold the bytes of a version's graphs against the hashes in its manifest.

    Raises:
        BrokenVersionError: they are others, one is missing, or one is too many.
    """
    expected = {MODEL_FILE: manifest.model_sha256, **manifest.graphs}
    given = {MODEL_FILE: model, **graphs}
    for name in expected.keys() ^ given.keys():
        which = "named by its manifest and missing" if name in expected else "not in its manifest"
        message = f"{what} is incomplete: {name} is {which}"
        raise BrokenVersionError(message)
    for name, content in given.items():
        found = hashlib.sha256(content).hexdigest()
        if found != expected[name]:
            message = (
                f"{what} is corrupt: {name} has sha256 {found[:12]}..., its manifest says "
                f"{expected[name][:12]}..."
            )
            raise BrokenVersionError(message)


def _read(storage: Storage, wanted: VersionId, file: str, most: int | None = None) -> bytes:
    try:
        return storage.read(f"{wanted}/{file}", most).content
    except OSError as error:
        # Not there from the beginning, or deleted while it was read.
        if error.errno == errno.ENOENT and storage.revision(str(wanted)) is None:
            raise not_there(wanted, storage.place) from error
        if not is_of_the_file(error):
            # The version may be sound: the bucket does not answer, or the network's folder.
            message = f"{file} of {wanted} cannot be read just now ({error.strerror})"
            raise RepositoryError(message) from error
        message = f"{wanted} is incomplete: {file} cannot be read ({error.strerror})"
        raise BrokenVersionError(message) from error


def version_files(model: bytes, manifest: bytes, graphs: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give the files of a version, the manifest last."""
    return {MODEL_FILE: model, **graphs, MANIFEST_FILE: manifest}
