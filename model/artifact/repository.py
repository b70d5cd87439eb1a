"""Model versions in a folder or a bucket: published whole, never changed, one of each active.

    REPO/active.json                       names each model's active version, and those before it
    REPO/<name>/<version>/model.onnx
    REPO/<name>/<version>/manifest.json
    REPO/<name>/<version>/prefix.onnx      where the network may stop early, with suffix.onnx
    REPO/<name>/<version>/evidence.onnx    takes its scores apart

A version is there whole or not at all, and `active.json` is replaced atomically; how, is told by
the two kinds of `Storage`. Readers need no lock.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from model.artifact.active import Active
from model.artifact.active_file import ACTIVE_FILE, change_active, read_active
from model.artifact.folder import FolderStorage
from model.artifact.labels import Canary, Stopped
from model.artifact.manifest import Manifest
from model.artifact.place import storage_at
from model.artifact.signing import TrustedKeys
from model.artifact.storage import MANIFEST_FILE, MODEL_FILE, Storage, prepare, writing
from model.artifact.store import (
    StoredVersion,
    check_graphs,
    parse_manifest,
    read_manifest,
    read_version,
    version_files,
)
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId

__all__ = [
    "ACTIVE_FILE",
    "BUNDLED_REPOSITORY",
    "MANIFEST_FILE",
    "MODEL_FILE",
    "ModelRepository",
    "StoredVersion",
]

BUNDLED_REPOSITORY = Path(__file__).resolve().parent.parent / "bundled"


class ModelRepository:
    """Model versions in one place, safe for several writers and any number of readers."""

    def __init__(self, where: str | Path | Storage, trusted: TrustedKeys | None = None) -> None:
        """Name where the files are (see `storage_at`), and whose versions are read."""
        self._trusted = trusted
        self.storage = storage_at(where) if isinstance(where, str | Path) else where

    @property
    def place(self) -> str:
        """Say for people where it is."""
        return self.storage.place

    @property
    def root(self) -> Path:
        """Give the folder that it is.

        Raises:
            RepositoryError: it is no folder.
        """
        if not isinstance(self.storage, FolderStorage):
            message = f"{self.place} is no folder"
            raise RepositoryError(message)
        return self.storage.root

    def publish(
        self,
        name: str,
        model: bytes,
        manifest: Manifest,
        graphs: Mapping[str, bytes] | None = None,
    ) -> VersionId:
        """Store a new version of `name`, whole or not at all; it is not active yet.

        Args:
            name: of the model.
            model: the bytes of the ONNX file.
            manifest: what is known about it.
            graphs: the bytes of the further graphs that the manifest names, by file.

        Raises:
            RepositoryError: the name is bad, the folder may not be written, or the disk is full.
            BrokenVersionError: the graphs are not what the manifest names.
        """
        VersionId(name, "1")
        graphs = graphs or {}
        check_graphs(name, model, manifest, graphs)
        prepare(self.storage)
        with writing(self.storage):
            return self.storage.add(name, version_files(model, manifest.to_json(), graphs))

    def read(self, wanted: VersionId) -> StoredVersion:
        """Read one version and hold it against its manifest.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: a file is missing, or a graph is not what was published.
        """
        return read_version(self.storage, wanted, self._trusted)

    def manifest(self, wanted: VersionId) -> Manifest:
        """Read one version's manifest alone; the model is not looked at.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: the manifest is missing or does not parse.
        """
        return parse_manifest(wanted, self.manifest_content(wanted))

    def manifest_content(self, wanted: VersionId) -> bytes:
        """Read the bytes of one version's manifest, whose hash identifies the version.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: the manifest is missing, or signed by none who is trusted.
        """
        return read_manifest(self.storage, wanted, self._trusted)

    def versions(self) -> list[VersionId]:
        """List what has been published, by name and number; broken ones too.

        Raises:
            RepositoryError: the folder is there and cannot be listed; a missing one is empty.
        """
        return self.storage.versions()

    def active(self, name: str | None = None) -> VersionId | None:
        """Name the active version of a model, or of the default one; None where it has none.

        Raises:
            RepositoryError: `active.json` is damaged or cannot be read.
        """
        state = self.state()
        return state.of(name) if state else None

    def state(self) -> Active | None:
        """Read which versions are active; None where nothing was activated yet.

        Raises:
            RepositoryError: `active.json` is damaged or cannot be read.
        """
        return read_active(self.storage)[0]

    def activate(self, wanted: VersionId) -> str | None:
        """Make a version its model's active one, after reading it whole.

        What is active under other names stays so. The first model of all becomes the default one.

        Returns:
            What became of an `active.json` that was damaged; None: it was sound.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: it is not what was published.
            RepositoryError: the folder may not be written, or the disk is full.
        """
        self.read(wanted)
        said: list[str] = []
        with writing(self.storage):
            activated = partial(Active.after, wanted)
            change_active(self.storage, activated, mends=said.append, naming=wanted)
        return said[0] if said else None

    def rollback(self, name: str | None = None) -> VersionId:
        """Make the version active again that was so before, of a model or of the default one.

        Raises:
            UnknownVersionError: none was active before.
            BrokenVersionError: that one is not what was published.
            RepositoryError: the folder may not be written, or the disk is full.
        """

        def taken_back(state: Active) -> Active:
            before = state.taken_back(name)
            wanted = before.of(name)
            assert wanted is not None  # noqa: S101  what was taken back is there
            self.read(wanted)
            return before

        active = self._change(taken_back).of(name)
        assert active is not None  # noqa: S101  likewise
        return active

    def make_default(self, name: str) -> None:
        """Let a model answer where none is named.

        Raises:
            UnknownVersionError: no version of it is active.
            RepositoryError: the folder may not be written, or the disk is full.
        """
        self._change(lambda state: state.with_default(name))

    def deactivate(self, name: str) -> None:
        """Serve a model no more; its versions stay in the repository.

        Raises:
            UnknownVersionError: no version of it is active.
            RepositoryError: it is the default one, or the folder may not be written.
        """
        self._change(lambda state: state.without(name))

    def set_label(self, wanted: VersionId, label: str) -> None:
        """Let a label name a version of its model; it names no other one any more.

        Raises:
            UnknownVersionError: there is no such version, or none of its model is active.
            BrokenVersionError: its manifest is missing or does not parse.
            RepositoryError: no such label can be set, or the folder may not be written.
        """
        self.manifest(wanted)
        self._change(lambda state: state.labelled(wanted, label), wanted)

    def remove_label(self, name: str, label: str) -> None:
        """Let a label of a model name nothing.

        Raises:
            UnknownVersionError: it names nothing now.
            RepositoryError: the folder may not be written.
        """
        self._change(lambda state: state.unlabelled(name, label))

    def begin_canary(self, name: str, canary: Canary) -> None:
        """Put a version on trial, in place of any other one, after reading it whole.

        Raises:
            UnknownVersionError: there is no such version, or none of its model is active.
            BrokenVersionError: it is not what was published.
            RepositoryError: it is the active one, or the folder may not be written.
        """
        wanted = VersionId(name, canary.version)
        self.read(wanted)
        self._change(lambda state: state.with_canary(name, canary), wanted)

    def promote(self, name: str | None = None) -> VersionId:
        """Make the version active that is on trial, of a model or of the default one.

        Raises:
            UnknownVersionError: none is on trial.
            BrokenVersionError: that one is not what was published.
            RepositoryError: the folder may not be written.
        """

        def promoted(state: Active) -> Active:
            wanted = state.tried(name)
            self.read(wanted)
            return state.followed_by(wanted)

        active = self._change(promoted).of(name)
        assert active is not None  # noqa: S101  it has just become so
        return active

    def end_canary(
        self,
        name: str | None = None,
        stopped: Stopped | None = None,
        *,
        only: Canary | None = None,
    ) -> None:
        """End the trial of a model's version, or of the default one's; what is active stays so.

        Args:
            name: of the model.
            stopped: why, where it failed.
            only: end this trial and no other one, which somebody may have begun since.

        Raises:
            UnknownVersionError: none is on trial.
            RepositoryError: the folder may not be written.
        """

        def ended(state: Active) -> Active:
            of = state.default if name is None else name
            if only is not None and (of not in state.models or state.models[of].canary != only):
                return state
            return state.without_canary(of, stopped)

        self._change(ended)

    def signature(self, wanted: VersionId | None) -> tuple[str | None, ...]:
        """Tell one state of `active.json` and a version's files from another without reading."""
        paths = (ACTIVE_FILE,) if wanted is None else (ACTIVE_FILE, str(wanted))
        return tuple(self.storage.revision(path) for path in paths)

    def _change(
        self, change: Callable[[Active], Active], naming: VersionId | None = None
    ) -> Active:
        def changed(state: Active | None) -> Active:
            if state is None:
                message = f"nothing was active before in {self.place}"
                raise UnknownVersionError(message)
            return change(state)

        with writing(self.storage):
            return change_active(self.storage, changed, naming=naming)
