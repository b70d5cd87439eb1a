"""Model versions on disk: published whole, never changed, one of them active.

    REPO/active.json                       names the active version, and those before it
    REPO/<name>/<version>/model.onnx
    REPO/<name>/<version>/manifest.json

A version is written aside, fsynced and renamed, so that it is there whole or not at all;
`active.json` is replaced atomically. Readers therefore need no lock.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from model.artifact.files import sync_folder, write_atomically
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
ACTIVE_FILE = "active.json"

_KEPT_PREVIOUS = 50
_STAGING = ".staging-"


@dataclass(frozen=True)
class StoredVersion:
    """One version, read whole and found to be what its manifest says.

    Attributes:
        id: its name and version.
        manifest: what is known about it.
        model: the bytes of the ONNX file.
    """

    id: VersionId
    manifest: Manifest
    model: bytes


def _checked_name(text: str) -> str:
    try:
        return str(VersionId.parse(text))
    except RepositoryError as error:
        raise ValueError(str(error)) from error


Name = Annotated[str, AfterValidator(_checked_name)]


class _Active(BaseModel):
    """The content of `active.json`."""

    model_config = ConfigDict(extra="forbid")

    active: Name
    previous: list[Name] = []


class ModelRepository:
    """A folder of model versions, safe for one writer at a time and any number of readers."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made when something is published."""
        self.root = root

    def publish(self, name: str, model: bytes, manifest: Manifest) -> VersionId:
        """Store a new version of `name`, whole or not at all; it is not active yet.

        Raises:
            RepositoryError: the name is bad, or the folder may not be written.
            BrokenVersionError: `model` is not what the manifest names.
            OSError: the disk is full.
        """
        VersionId(name, "1")
        _check_model(name, model, manifest)
        parent = self.root / name
        self._make_root()
        with self._locked():
            parent.mkdir(exist_ok=True)
            sync_folder(self.root)
            _sweep(parent)
            aside = Path(tempfile.mkdtemp(prefix=_STAGING, dir=parent))
            try:
                content = manifest.model_dump_json(indent=1).encode() + b"\n"
                write_atomically(aside / MODEL_FILE, model, mode=0o444)
                write_atomically(aside / MANIFEST_FILE, content, mode=0o444)
                aside.chmod(0o755)
                published = VersionId(name, str(self._last_version(name) + 1))
                aside.rename(self._folder(published))
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            sync_folder(parent)
        return published

    def read(self, wanted: VersionId) -> StoredVersion:
        """Read one version and hold it against its manifest.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: a file is missing, or the model is not what was published.
        """
        manifest = self.manifest(wanted)
        try:
            model = (self._folder(wanted) / MODEL_FILE).read_bytes()
        except OSError as error:
            message = f"{wanted} is incomplete: {MODEL_FILE} cannot be read ({error.strerror})"
            raise BrokenVersionError(message) from error
        _check_model(str(wanted), model, manifest)
        return StoredVersion(wanted, manifest, model)

    def manifest(self, wanted: VersionId) -> Manifest:
        """Read one version's manifest alone; the model is not looked at.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: the manifest is missing or does not parse.
        """
        folder = self._folder(wanted)
        try:
            return Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        except OSError as error:
            if error.errno == errno.ENOENT and not folder.exists():
                message = f"there is no version {wanted} in {self.root}"
                raise UnknownVersionError(message) from error
            message = f"{wanted} is incomplete: {MANIFEST_FILE} cannot be read ({error.strerror})"
            raise BrokenVersionError(message) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or MANIFEST_FILE
            message = f"{wanted} has a bad manifest: {where}: {first['msg']}"
            raise BrokenVersionError(message) from error

    def versions(self) -> list[VersionId]:
        """List what has been published, by name and number; broken ones too."""
        names = sorted(p.name for p in _folders(self.root) if NAME_PATTERN.fullmatch(p.name))
        return [
            VersionId(name, str(number))
            for name in names
            for number in sorted(self._version_numbers(name))
        ]

    def active(self) -> VersionId | None:
        """Name the active version; None where nothing was activated yet.

        Raises:
            RepositoryError: `active.json` is damaged or cannot be read.
        """
        state = self._state()
        return VersionId.parse(state.active) if state else None

    def activate(self, wanted: VersionId) -> None:
        """Make a version the active one, after reading it whole.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: it is not what was published.
        """
        self.read(wanted)
        with self._locked():
            try:
                state = self._state()
            except RepositoryError:
                state = None  # a damaged file is what this mends
            if state is None:
                self._replace_state(_Active(active=str(wanted)))
            elif state.active != str(wanted):
                previous = [*state.previous, state.active][-_KEPT_PREVIOUS:]
                self._replace_state(_Active(active=str(wanted), previous=previous))

    def rollback(self) -> VersionId:
        """Make the version that was active before this one active again.

        Raises:
            UnknownVersionError: none was active before.
            BrokenVersionError: that one is not what was published.
        """
        with self._locked():
            state = self._state()
            if state is None or not state.previous:
                message = f"nothing was active before in {self.root}"
                raise UnknownVersionError(message)
            wanted = VersionId.parse(state.previous[-1])
            self.read(wanted)
            self._replace_state(_Active(active=str(wanted), previous=state.previous[:-1]))
        return wanted

    def _folder(self, version: VersionId) -> Path:
        return self.root / version.name / version.version

    def _version_numbers(self, name: str) -> list[int]:
        folders = _folders(self.root / name)
        return [int(p.name) for p in folders if VERSION_PATTERN.fullmatch(p.name)]

    def _last_version(self, name: str) -> int:
        """Find the highest number taken, by a version or by anything else of that name."""
        taken = os.listdir(self.root / name)  # noqa: PTH208  names are all that is needed
        return max((int(entry) for entry in taken if VERSION_PATTERN.fullmatch(entry)), default=0)

    def _state(self) -> _Active | None:
        path = self.root / ACTIVE_FILE
        try:
            return _Active.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            message = f"{path} cannot be read: {error}; activate a version to replace it"
            raise RepositoryError(message) from error

    def _replace_state(self, state: _Active) -> None:
        content = state.model_dump_json(indent=1).encode() + b"\n"
        write_atomically(self.root / ACTIVE_FILE, content)

    def _make_root(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self.root} cannot be made: {error.strerror}"
            raise RepositoryError(message) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out, in this process and in others."""
        try:
            file = (self.root / ".lock").open("a")
        except OSError as error:
            message = f"{self.root} cannot be locked for writing: {error.strerror}"
            raise RepositoryError(message) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _folders(path: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(path) if entry.is_dir()]
    except OSError:
        return []


def _sweep(parent: Path) -> None:
    """Take away what publishers left behind who died; the lock keeps the living out."""
    for path in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(path, ignore_errors=True)


def _check_model(what: str, model: bytes, manifest: Manifest) -> None:
    found = hashlib.sha256(model).hexdigest()
    if found != manifest.model_sha256:
        message = (
            f"{what} is corrupt: {MODEL_FILE} has sha256 {found[:12]}..., its manifest says "
            f"{manifest.model_sha256[:12]}..."
        )
        raise BrokenVersionError(message)
