"""A repository in trouble: full disks, killed writers, damaged and unreadable files."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from tests.conftest import ROOT
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel

NOT_AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write anywhere")

# Dies where a writer has written its file aside and not yet renamed it: Python reports every
# rename to its audit hooks before it does it.
KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from model.artifact.manifest import Manifest
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId

def die(event, names):
    if event == "os.rename" and os.fsdecode(names[1]).endswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

repository = ModelRepository(Path(sys.argv[1]))
stored = repository.read(VersionId("colours", "1"))
sys.addaudithook(die)
repository.publish("colours", stored.model, stored.manifest)
repository.activate(VersionId("colours", "2"))
"""


def kill_a_writer(repository: ModelRepository, at: str) -> None:
    """Publish and activate colours/2 in a process that is killed before it renames to `at`."""
    command = [sys.executable, "-c", KILLED_WRITER, str(repository.root), at]

    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> list[str]:
    """Name everything below a folder, but for the lock file."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.name != ".lock")


@pytest.mark.parametrize("size_bytes", [10, 2000])
def test_publishing_without_room_is_an_error_that_says_so(
    repository: ModelRepository, tiny_models: list[TinyModel], size_bytes: int
) -> None:
    """With no room for the model or for its manifest, nothing is left of the version."""
    publish(repository, tiny_models[0])
    before = files(repository.root)

    with (
        room_for(size_bytes),
        pytest.raises(RepositoryError, match=r"repository cannot be written: File too large; make"),
    ):
        publish(repository, tiny_models[1])

    assert files(repository.root) == before
    assert str(publish(repository, tiny_models[1])) == "colours/2"


def test_activating_without_room_is_an_error_that_says_so(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """What was active stays so, for activating and for rolling back."""
    first, second = (publish(repository, tiny) for tiny in tiny_models[:2])
    repository.activate(first)
    repository.activate(second)
    before = files(repository.root)

    with room_for(10):
        with pytest.raises(RepositoryError, match="cannot be written: File too large"):
            repository.activate(first)
        with pytest.raises(RepositoryError, match="cannot be written: File too large"):
            repository.rollback()

    assert repository.active() == second
    assert files(repository.root) == before


@pytest.mark.parametrize("at", ["model.onnx", "manifest.json", "colours/2"])
def test_a_killed_publisher_leaves_no_version(
    repository: ModelRepository, tiny_models: list[TinyModel], at: str
) -> None:
    """Wherever it died there is no version, and the next publisher sweeps up."""
    publish(repository, tiny_models[0])
    kill_a_writer(repository, at)
    (left,) = repository.root.glob("colours/.staging-*")
    assert len(repository.versions()) == 1

    published = publish(repository, tiny_models[1])

    assert str(published) == "colours/2"
    assert not left.exists()


def test_what_a_killed_activator_left_is_swept_away(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """The file it had written aside goes with the next activation."""
    first = publish(repository, tiny_models[0])
    repository.activate(first)
    kill_a_writer(repository, "active.json")
    assert len(list(repository.root.glob(".active.json.*"))) == 1
    assert repository.active() == first

    repository.activate(VersionId("colours", "2"))

    assert list(repository.root.glob(".active.json.*")) == []
    assert repository.rollback() == first


def test_activating_mends_a_damaged_active_file(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """A damaged active.json is an error to read, and activating replaces it."""
    version = publish(repository, tiny_models[0])
    (repository.root / "active.json").write_text("{")

    with pytest.raises(RepositoryError, match=r"active\.json cannot be read"):
        repository.active()
    repository.activate(version)

    assert repository.active() == version


def test_a_bad_name_in_the_active_file_counts_as_damage(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """It is not carried along into a history that can never be rolled back to."""
    version = publish(repository, tiny_models[0])
    (repository.root / "active.json").write_text('{"active": "Bad Name/x"}')

    with pytest.raises(RepositoryError, match=r"active\.json cannot be read"):
        repository.active()
    repository.activate(version)

    with pytest.raises(UnknownVersionError, match="nothing was active before"):
        repository.rollback()


@NOT_AS_ROOT
def test_a_folder_that_may_not_be_written_is_an_error(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Publishing into a read-only folder says why it fails."""
    repository.root.mkdir()
    repository.root.chmod(0o555)

    with pytest.raises(RepositoryError, match="cannot be locked for writing: Permission denied"):
        publish(repository, tiny_models[0])


@NOT_AS_ROOT
@pytest.mark.parametrize("closed", [".", "colours"])
def test_a_folder_that_may_not_be_read_is_not_empty(
    repository: ModelRepository, tiny_models: list[TinyModel], closed: str
) -> None:
    """What cannot be listed is an error, for the repository and for each name in it."""
    publish(repository, tiny_models[0])
    folder = repository.root / closed
    folder.chmod(0)
    try:
        with pytest.raises(RepositoryError, match="cannot be listed: Permission denied"):
            repository.versions()
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("place", ["", " "])
def test_empty_text_is_no_repository(place: str) -> None:
    """It would be the current folder, which nobody has named."""
    with pytest.raises(RepositoryError, match="the repository's name is empty"):
        ModelRepository(place)


def test_a_file_is_no_empty_repository(tmp_path: Path) -> None:
    """A path that is no folder at all is an error, not a repository without versions."""
    (tmp_path / "models").write_text("a file")

    with pytest.raises(RepositoryError, match="models cannot be listed: Not a directory"):
        ModelRepository(tmp_path / "models").versions()


def test_a_missing_repository_is_not_made_by_looking(tmp_path: Path) -> None:
    """It has no versions; roll-back in it is an error and leaves no folder."""
    repository = ModelRepository(tmp_path / "typo")

    assert repository.versions() == []
    with pytest.raises(RepositoryError, match="cannot be locked for writing: No such file"):
        repository.rollback()

    assert not (tmp_path / "typo").exists()
