"""Model versions on disk: published whole, never changed, one of each model active.

    REPO/active.json                       names each model's active version, and those before it
    REPO/<name>/<version>/model.onnx
    REPO/<name>/<version>/manifest.json
    REPO/<name>/<version>/prefix.onnx      where the network may stop early, with suffix.onnx
    REPO/<name>/<version>/evidence.onnx    takes its scores apart

A version is written aside, fsynced and renamed, so that it is there whole or not at all;
`active.json` is replaced atomically. Readers therefore need no lock.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from model.artifact.active import ACTIVE_FILE, Active, read_active, write_active
from model.artifact.files import locked
from model.artifact.labels import Canary, Stopped
from model.artifact.manifest import Manifest
from model.artifact.store import (
    MANIFEST_FILE,
    MODEL_FILE,
    StoredVersion,
    check_graphs,
    list_versions,
    read_manifest,
    read_version,
    write_version,
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
    """A folder of model versions, safe for one writer at a time and any number of readers."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made when something is published."""
        self.root = root

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
        self._make_root()
        with self._writing():
            return write_version(self.root, name, model, manifest, graphs)

    def read(self, wanted: VersionId) -> StoredVersion:
        """Read one version and hold it against its manifest.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: a file is missing, or a graph is not what was published.
        """
        return read_version(self.root, wanted)

    def manifest(self, wanted: VersionId) -> Manifest:
        """Read one version's manifest alone; the model is not looked at.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: the manifest is missing or does not parse.
        """
        return read_manifest(self.root, wanted)

    def versions(self) -> list[VersionId]:
        """List what has been published, by name and number; broken ones too.

        Raises:
            RepositoryError: the folder is there and cannot be listed; a missing one is empty.
        """
        return list_versions(self.root)

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
        return read_active(self.root)

    def activate(self, wanted: VersionId) -> None:
        """Make a version its model's active one, after reading it whole.

        What is active under other names stays so. The first model of all becomes the default one.

        Raises:
            UnknownVersionError: there is no such version.
            BrokenVersionError: it is not what was published.
            RepositoryError: the folder may not be written, or the disk is full.
        """
        self.read(wanted)
        with self._writing():
            try:
                state = read_active(self.root)
            except RepositoryError:
                state = None  # a damaged file is what this mends
            following = state.followed_by(wanted) if state else Active.first(wanted)
            if following != state:
                write_active(self.root, following)

    def rollback(self, name: str | None = None) -> VersionId:
        """Make the version active again that was so before, of a model or of the default one.

        Raises:
            UnknownVersionError: none was active before.
            BrokenVersionError: that one is not what was published.
            RepositoryError: the folder may not be written, or the disk is full.
        """
        with self._writing():
            state = self._known_state()
            before = state.taken_back(name)
            wanted = before.of(name)
            assert wanted is not None  # noqa: S101  what was taken back is there
            self.read(wanted)
            write_active(self.root, before)
        return wanted

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
        self._change(lambda state: state.labelled(wanted, label))

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
        self.read(VersionId(name, canary.version))
        self._change(lambda state: state.with_canary(name, canary))

    def promote(self, name: str | None = None) -> VersionId:
        """Make the version active that is on trial, of a model or of the default one.

        Raises:
            UnknownVersionError: none is on trial.
            BrokenVersionError: that one is not what was published.
            RepositoryError: the folder may not be written.
        """
        with self._writing():
            state = self._known_state()
            wanted = state.tried(name)
            self.read(wanted)
            write_active(self.root, state.followed_by(wanted))
        return wanted

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

    def _change(self, change: Callable[[Active], Active]) -> None:
        with self._writing():
            state = self._known_state()
            following = change(state)
            if following != state:
                write_active(self.root, following)

    def _known_state(self) -> Active:
        state = read_active(self.root)
        if state is None:
            message = f"nothing was active before in {self.root}"
            raise UnknownVersionError(message)
        return state

    def _make_root(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self.root} cannot be made: {error.strerror}"
            raise RepositoryError(message) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other writers out, and translate what the disk refuses."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(self.root / ".lock"))
            except OSError as error:
                message = f"{self.root} cannot be locked for writing: {error.strerror}"
                raise RepositoryError(message) from error
            try:
                yield
            except OSError as error:
                message = (
                    f"{self.root} cannot be written: {error.strerror}; make room, or let this "
                    "user write there, and try again"
                )
                raise RepositoryError(message) from error
