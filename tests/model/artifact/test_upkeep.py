"""Versions that are deleted: nothing that is needed goes, and nothing is ever half there."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model.artifact.folder import FolderStorage
from model.artifact.labels import Canary
from model.artifact.repository import ModelRepository
from model.artifact.storage import Found
from model.artifact.transfer import copy_version
from model.artifact.upkeep import collect_garbage, delete_version
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from tests.conftest import ROOT
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel


def version(number: int, name: str = "colours") -> VersionId:
    """Name a version."""
    return VersionId(name, str(number))


@pytest.fixture(name="six")
def six_versions(repository: ModelRepository, tiny_models: list[TinyModel]) -> ModelRepository:
    """Six versions: 1, 2 and 3 were active one after the other, and 3 is so now."""
    for _ in range(6):
        publish(repository, tiny_models[0])
    for number in (1, 2, 3):
        repository.activate(version(number))
    return repository


def numbers(repository: ModelRepository, name: str = "colours") -> list[int]:
    """List the versions of a model."""
    return [int(each.version) for each in repository.versions() if each.name == name]


def test_a_deleted_version_is_gone_and_its_number_too(
    six: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Nobody who named it gets another model, even where it was the last one."""
    delete_version(six, version(6))

    with pytest.raises(UnknownVersionError, match="there is no version colours/6"):
        six.read(version(6))
    with pytest.raises(UnknownVersionError, match="there is no version colours/6"):
        delete_version(six, version(6))
    assert str(publish(six, tiny_models[0])) == "colours/7"
    assert not list(six.root.rglob(".removed-*"))


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (3, "it is active"),
        (2, "roll-back would return to it"),
        (4, "the label 'night' names it"),
        (5, "it is on trial"),
    ],
)
def test_what_is_needed_is_not_deleted(six: ModelRepository, number: int, why: str) -> None:
    """Each reason is named, and nothing changes."""
    six.set_label(version(4), "night")
    now = datetime(2026, 1, 2, tzinfo=UTC)
    six.begin_canary("colours", Canary(version="5", percent=10, since=now))
    before = six.state()

    with pytest.raises(RepositoryError, match=f"colours/{number} cannot be deleted: {why}"):
        delete_version(six, version(number))

    assert six.state() == before
    assert numbers(six) == [1, 2, 3, 4, 5, 6]


def test_roll_back_steps_over_what_was_deleted(six: ModelRepository) -> None:
    """A version that was active long ago leaves the history without a gap."""
    six.activate(version(1))
    six.activate(version(4))

    delete_version(six, version(2))

    assert [six.rollback() for _ in range(3)] == [version(1), version(3), version(1)]


def test_gc_keeps_the_last_ones_and_what_is_needed(
    six: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Of each model; other names stay where one is named."""
    six.set_label(version(1), "first")
    for _ in range(3):
        publish(six, tiny_models[0], "shapes")

    assert list(collect_garbage(six, 1, "colours")) == [version(4), version(5)]
    assert numbers(six) == [1, 2, 3, 6]
    assert list(collect_garbage(six, 2)) == [version(1, "shapes")]
    assert list(collect_garbage(six, 2)) == []


class Beaten(FolderStorage):
    """A folder in which somebody else is always the first to get the lock."""

    def __init__(self, root: Path, others: Callable[[], object]) -> None:
        """Say what the others do."""
        super().__init__(root)
        self._others = others

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock after the others."""
        self._others()
        with super().writing():
            yield


def test_of_two_who_delete_at_once_one_is_told_and_nothing_is_spoilt(
    six: ModelRepository, tmp_path: Path
) -> None:
    """The version may come back under its number, from where there is a copy."""
    copy = ModelRepository(tmp_path / "copy")
    copy_version(six, copy, version(6))
    slower = ModelRepository(Beaten(six.root, lambda: delete_version(six, version(6))))

    with pytest.raises(UnknownVersionError, match="there is no version colours/6"):
        delete_version(slower, version(6))

    assert copy_version(copy, six, version(6))
    assert six.read(version(6)).id == version(6)


def test_gc_skips_what_went_or_became_needed_meanwhile(six: ModelRepository) -> None:
    """The rest goes all the same."""

    def others() -> None:
        if version(4) in six.versions():
            delete_version(six, version(4))
            six.set_label(version(1), "night")

    beaten = ModelRepository(Beaten(six.root, others))

    assert list(collect_garbage(beaten, 1)) == [version(5)]
    assert numbers(six) == [1, 2, 3, 6]


def test_a_manifest_that_cannot_be_read_just_now_stops_the_deletion(six: ModelRepository) -> None:
    """Else its number would be kept for a version that has another content."""

    class Busy(FolderStorage):
        def read(self, path: str, most: int | None = None) -> Found:
            if path.endswith("manifest.json"):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
            return super().read(path, most)

    with pytest.raises(RepositoryError, match="Too many open files"):
        delete_version(ModelRepository(Busy(six.root)), version(6))

    assert numbers(six) == [1, 2, 3, 4, 5, 6]
    assert not (six.root / "colours" / ".deleted-6").exists()


def test_gc_deletes_nothing_where_it_cannot_tell_what_is_needed(six: ModelRepository) -> None:
    """A damaged active.json is an error."""
    (six.root / "active.json").write_text("{")

    with pytest.raises(RepositoryError, match=r"active\.json cannot be read"):
        list(collect_garbage(six, 1))

    assert numbers(six) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("deed", ["publish", "delete"])
def test_killed_at_any_step_a_writer_leaves_a_sound_repository(
    six: ModelRepository, tiny_models: list[TinyModel], tmp_path: Path, deed: str
) -> None:
    """Every version that is listed can be read, roll-back works, and the next writer sweeps up."""
    copies = tmp_path / "copies"
    command = [
        sys.executable,
        "-m",
        "tests.model.artifact.killed",
        str(six.root),
        str(copies),
        deed,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    seen = set()

    for root in copies.iterdir():
        left = ModelRepository(root)
        for each in left.versions():
            assert left.read(each).manifest == tiny_models[0].manifest
        seen.add(tuple(numbers(left)))
        before = {version(3): version(2), version(7): version(3)}
        active = left.active()
        assert active is not None
        assert left.rollback() == before[active]
        if version(1) in left.versions():
            left.activate(version(3))
            left.activate(version(2))
            delete_version(left, version(1))
        publish(left, tiny_models[1])
        list(collect_garbage(left, 9))
        entries = {path.name for path in root.rglob("*")}
        assert not {e for e in entries if e.startswith((".staging-", ".removed-", "..", ".active"))}

    whole = (1, 2, 3, 4, 5, 6)
    assert seen == {whole, (*whole, 7) if deed == "publish" else whole[1:]}
    assert len(list(copies.iterdir())) > 10
