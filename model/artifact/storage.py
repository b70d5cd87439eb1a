"""The port behind which a repository's files lie: a folder, or objects in a bucket."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple, Protocol

from model.artifact.version import VERSION_PATTERN, RepositoryError, VersionId

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
# `<name>/.deleted-<number>` holds the sha256 of the manifest that had this number.
DELETED = ".deleted-"


class Found(NamedTuple):
    """A file's content, and which revision of the file that is."""

    content: bytes
    revision: str


class Storage(Protocol):
    """Files by their paths below a repository's top, such as `cifar10/4/manifest.json`.

    Whoever writes holds `writing()`. An implementation raises `OSError` with an `errno` and a
    `strerror` where its medium fails, and no error of its medium's own.
    """

    @property
    def place(self) -> str:
        """Say for people where it is."""

    @property
    def usual_poll_s(self) -> float:
        """Say how often one may look for changes, in seconds, where nobody has said."""

    def read(self, path: str, most: int | None = None) -> Found:
        """Read a file of at most so many bytes.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read, is too large, or is no regular file of the repository.
        """

    def revision(self, path: str) -> str | None:
        """Tell one state of a file, or of a version's files, from another without reading them.

        None where there is nothing.
        """

    def replace(self, path: str, content: bytes, revision: str | None) -> None:
        """Write a file if it is still of that revision; None: if there is none.

        Raises:
            ConflictError: it is of another revision.
            OSError: it cannot be written; it is then as it was.
        """

    def versions(self) -> list[VersionId]:
        """List what has been published, by name and number; none where there is no repository.

        Raises:
            RepositoryError: something is there and cannot be listed.
        """

    def add(self, name: str, files: Mapping[str, bytes], number: str | None = None) -> VersionId:
        """Store a version, whole or not at all.

        Args:
            name: of the model.
            files: the content of its files, the manifest's among them.
            number: of the version; None: the next one. Numbers of deleted versions count.

        Raises:
            ConflictError: the number is taken, or belonged to another version that was deleted.
            OSError: nothing can be written; nothing is left behind that counts.
        """

    def remove(self, version: VersionId, is_needed: Callable[[], bool]) -> None:
        """Take a version away, whole or not at all; its number is not given again.

        Args:
            version: to be removed.
            is_needed: asked once nobody can find the version any more: whether somebody has come
                to need it meanwhile. It is then put back.

        Raises:
            UnknownVersionError: it is not there, or not any more; nothing has changed.
            NeededError: it was put back.
            OSError: nothing can be written.
        """

    def sweep(self) -> None:
        """Take away what killed writers left behind."""

    def prepare(self) -> None:
        """Make sure that a repository can be written here.

        Raises:
            OSError: it cannot.
        """

    def writing(self) -> AbstractContextManager[None]:
        """Keep other writers out, where the medium can.

        Raises:
            OSError: it cannot be written.
        """


def prepare(storage: Storage) -> None:
    """Make sure that something can be published.

    Raises:
        RepositoryError: it cannot.
    """
    try:
        storage.prepare()
    except OSError as error:
        message = f"nothing can be published in {storage.place}: {error.strerror}"
        raise RepositoryError(message) from error


@contextmanager
def writing(storage: Storage) -> Iterator[None]:
    """Keep other writers out, and translate what the medium refuses.

    Raises:
        RepositoryError: it may not be written, or there is no room.
    """
    with ExitStack() as held:
        try:
            held.enter_context(storage.writing())
        except OSError as error:
            message = f"{storage.place} cannot be locked for writing: {error.strerror}"
            raise RepositoryError(message) from error
        try:
            yield
        except OSError as error:
            message = (
                f"{storage.place} cannot be written: {error.strerror}; make room, or let this "
                "user write there, and try again"
            )
            raise RepositoryError(message) from error


def number_in(entry: str) -> int | None:
    """Read the version's number that a name beside versions takes, a deleted one's too."""
    text = entry.removeprefix(DELETED)
    return int(text) if VERSION_PATTERN.fullmatch(text) else None
