"""The folders of versions: written aside and renamed, read whole and held against their hash."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from model.artifact.files import read_regular, sync_folder, write_atomically
from model.artifact.manifest import Manifest
from model.artifact.version import (
    NAME_PATTERN,
    VERSION_PATTERN,
    BrokenVersionError,
    RepositoryError,
    UnknownVersionError,
    VersionId,
)

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"

# Far above what golden pictures and a thousand classes need.
_MOST_MANIFEST_BYTES = 64 << 20
_STAGING = ".staging-"


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


def read_version(root: Path, wanted: VersionId) -> StoredVersion:
    """Read one version and hold it against its manifest.

    Raises:
        UnknownVersionError: there is no such version.
        BrokenVersionError: a file is missing, or a graph is not what was published.
    """
    manifest = read_manifest(root, wanted)
    model = _read_graph(root, wanted, MODEL_FILE)
    graphs = {name: _read_graph(root, wanted, name) for name in manifest.graphs}
    check_graphs(str(wanted), model, manifest, graphs)
    return StoredVersion(wanted, manifest, model, graphs)


def read_manifest(root: Path, wanted: VersionId) -> Manifest:
    """Read one version's manifest alone; the model is not looked at.

    Raises:
        UnknownVersionError: there is no such version.
        BrokenVersionError: the manifest is missing or does not parse.
    """
    folder = _folder(root, wanted)
    try:
        content = read_regular(folder / MANIFEST_FILE, root, _MOST_MANIFEST_BYTES)
        return Manifest.model_validate_json(content)
    except OSError as error:
        if error.errno == errno.ENOENT and not folder.exists():
            message = f"there is no version {wanted} in {root}"
            raise UnknownVersionError(message) from error
        message = f"{wanted} is incomplete: {MANIFEST_FILE} cannot be read ({error.strerror})"
        raise BrokenVersionError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or MANIFEST_FILE
        message = f"{wanted} has a bad manifest: {where}: {first['msg']}"
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


def _read_graph(root: Path, wanted: VersionId, name: str) -> bytes:
    try:
        return read_regular(_folder(root, wanted) / name, root)
    except OSError as error:
        message = f"{wanted} is incomplete: {name} cannot be read ({error.strerror})"
        raise BrokenVersionError(message) from error


def write_version(
    root: Path, name: str, model: bytes, manifest: Manifest, graphs: Mapping[str, bytes]
) -> VersionId:
    """Store the next version of `name`, whole or not at all; hold the lock.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    parent = root / name
    parent.mkdir(exist_ok=True)
    sync_folder(root)
    _sweep(parent)
    aside = Path(tempfile.mkdtemp(prefix=_STAGING, dir=parent))
    try:
        content = manifest.model_dump_json(indent=1).encode() + b"\n"
        for file, graph in {MODEL_FILE: model, **graphs}.items():
            write_atomically(aside / file, graph, mode=0o444)
        write_atomically(aside / MANIFEST_FILE, content, mode=0o444)
        aside.chmod(0o755)
        published = VersionId(name, str(_last_version(parent) + 1))
        aside.rename(_folder(root, published))
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(parent)
    return published


def list_versions(root: Path) -> list[VersionId]:
    """List what has been published, by name and number; none where there is no folder.

    Raises:
        RepositoryError: a folder is there and cannot be listed.
    """
    return [
        VersionId(name, str(number))
        for name in sorted(filter(NAME_PATTERN.fullmatch, _folders(root)))
        for number in sorted(map(int, filter(VERSION_PATTERN.fullmatch, _folders(root / name))))
    ]


def _folder(root: Path, version: VersionId) -> Path:
    return root / version.name / version.version


def _folders(path: Path) -> list[str]:
    """Name the folders in a folder; none where it is missing, for it may go while one looks."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        message = (
            f"{path} cannot be listed: {error.strerror}; a repository is a folder that whoever "
            "serves from it may read"
        )
        raise RepositoryError(message) from error


def _last_version(parent: Path) -> int:
    """Find the highest number taken, by a version or by anything else of that name."""
    taken = os.listdir(parent)  # noqa: PTH208  names are all that is needed
    return max((int(entry) for entry in taken if VERSION_PATTERN.fullmatch(entry)), default=0)


def _sweep(parent: Path) -> None:
    """Take away what publishers left behind who died; the lock keeps the living out."""
    for path in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(path, ignore_errors=True)
