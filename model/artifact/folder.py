"""A repository in a folder: versions written aside and renamed, one writer at a time.

The folder lies on a file system with atomic renames and `flock`. Everything that may be
half-written has a name of its own, which readers pass over and the next writer sweeps up.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model.artifact.files import (
    locked,
    read_regular,
    sweep_aside,
    sync_folder,
    write_atomically,
)
from model.artifact.storage import DELETED, MANIFEST_FILE, Found, number_in
from model.artifact.version import (
    NAME_PATTERN,
    VERSION_PATTERN,
    ConflictError,
    NeededError,
    RepositoryError,
    VersionId,
    is_of_the_file,
    not_there,
)

_STAGING, _REMOVED = ".staging-", ".removed-"


class FolderStorage:
    """Files of a folder; readers need no lock."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made when something is published."""
        self.root = root

    @property
    def place(self) -> str:
        """Give the folder's path."""
        return str(self.root)

    @property
    def usual_poll_s(self) -> float:
        """Look often: it costs microseconds."""
        return 0.25

    def read(self, path: str, most: int | None = None) -> Found:
        """Read a regular file that lies in the folder; links may not lead out of it."""
        content, found = read_regular(self.root / path, self.root, most)
        return Found(content, _revision(found))

    def revision(self, path: str) -> str | None:
        """Tell states apart by inode, times and size, which cost microseconds to look up."""
        whole = self.root / path
        try:
            found = [os.stat(whole)]  # noqa: PTH116  Path.stat is the same call
            if whole.is_dir():
                with os.scandir(whole) as entries:
                    found += [e.stat() for e in sorted(entries, key=lambda e: e.name)]
        except OSError:
            return None
        return " ".join(map(_revision, found))

    def replace(self, path: str, content: bytes, revision: str | None) -> None:
        """Write aside and rename, once the revision was compared."""
        whole = self.root / path
        if self.revision(path) != revision:
            message = f"{whole} has been changed by somebody else"
            raise ConflictError(message)
        # Sweeping first gives the room that a full disk may need.
        sweep_aside(whole)
        # Nobody writes into a version's files; `active.json` lies beside the versions.
        write_atomically(whole, content, mode=0o444 if "/" in path else 0o644)

    def versions(self) -> list[VersionId]:
        """List the folders that are named like versions; broken ones too."""
        return [
            VersionId(name, str(number))
            for name in sorted(filter(NAME_PATTERN.fullmatch, _folders(self.root)))
            for number in sorted(map(int, _numbered(_folders(self.root / name))))
        ]

    def add(self, name: str, files: Mapping[str, bytes], number: str | None = None) -> VersionId:
        """Write a folder aside, flush it to disk, and rename it."""
        parent = self.root / name
        parent.mkdir(exist_ok=True)
        sync_folder(self.root)
        _sweep(parent)
        added = VersionId(name, number or str(_last_number(parent) + 1))
        if number is not None:
            _check_free(parent, added, files[MANIFEST_FILE])
        aside = Path(tempfile.mkdtemp(prefix=_STAGING, dir=parent))
        try:
            for file, content in files.items():
                write_atomically(aside / file, content, mode=0o444)
            aside.chmod(0o755)
            aside.rename(self._folder(added))
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(parent)
        return added

    def remove(self, version: VersionId, is_needed: Callable[[], bool]) -> None:
        """Rename the folder aside, so that readers find it whole or not at all, and remove it."""
        folder, parent = self._folder(version), self.root / version.name
        _sweep(parent)
        # The one who held the lock before may have deleted it; the tombstone then stays as it is.
        if not os.path.lexists(folder):
            raise not_there(version, self.place)
        if is_needed():  # nobody comes to need it while the lock is held
            message = f"{version} is needed"
            raise NeededError(message)
        try:
            manifest = self.read(f"{version}/{MANIFEST_FILE}").content
        except OSError as error:
            if not is_of_the_file(error):
                raise
            manifest = b""  # a broken version has none
        digest = hashlib.sha256(manifest).hexdigest().encode()
        write_atomically(parent / f"{DELETED}{version.version}", digest)
        aside = tempfile.mkdtemp(prefix=_REMOVED, dir=parent)
        folder.rename(aside)
        sync_folder(parent)
        shutil.rmtree(aside)

    def sweep(self) -> None:
        """Take away what killed writers left; the lock keeps the living out."""
        for name in filter(NAME_PATTERN.fullmatch, _folders(self.root)):
            _sweep(self.root / name)

    def prepare(self) -> None:
        """Make the folder."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not os.access(self.root, os.W_OK):
            raise OSError(errno.EACCES, "it may not be written", str(self.root))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock file of the folder."""
        with locked(self.root / ".lock"):
            yield

    def _folder(self, version: VersionId) -> Path:
        return self.root / version.name / version.version


def _revision(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_size}"


def _folders(path: Path) -> list[str]:
    """Name the folders in a folder; none where it is missing, for it may go while one looks."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if _is_folder(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        message = (
            f"{path} cannot be listed: {error.strerror}; a repository is a folder that whoever "
            "serves from it may read"
        )
        raise RepositoryError(message) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell a folder, or a link to one; one link that leads in a circle hides no others."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _numbered(names: list[str]) -> Iterator[str]:
    return filter(VERSION_PATTERN.fullmatch, names)


def _last_number(parent: Path) -> int:
    """Find the highest number taken, by a version, by a deleted one, or by anything else."""
    taken = os.listdir(parent)  # noqa: PTH208  names are all that is needed
    return max(filter(None, map(number_in, taken)), default=0)


def _check_free(parent: Path, version: VersionId, manifest: bytes) -> None:
    """Let a number be taken that is free, or that a version had that was deleted and comes back."""
    if os.path.lexists(parent / version.version):
        message = f"{version} is there already"
        raise ConflictError(message)
    tombstone = parent / f"{DELETED}{version.version}"
    if tombstone.exists() and tombstone.read_text() != hashlib.sha256(manifest).hexdigest():
        message = f"{version} was deleted, and had another content; numbers are not given again"
        raise ConflictError(message)


def _sweep(parent: Path) -> None:
    """Take away what writers left behind who died; the lock keeps the living out."""
    for prefix in (_STAGING, _REMOVED, f".{DELETED}"):
        for path in parent.glob(f"{prefix}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
