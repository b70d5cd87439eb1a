"""Both kinds of storage keep the same promises: a folder, and a bucket of a real S3 server."""

import hashlib
from pathlib import Path

import pytest

from model.artifact.place import storage_at
from model.artifact.storage import MANIFEST_FILE, Storage
from model.artifact.version import ConflictError, NeededError, UnknownVersionError, VersionId
from tests.bucket import S3Server, new_bucket

FILES = {"model.onnx": b"graph", MANIFEST_FILE: b"{}"}


@pytest.fixture(params=["folder", "bucket", "prefix"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Storage:
    """Make an empty repository's storage."""
    if request.param == "folder":
        made = storage_at(tmp_path / "models")
    else:
        server: S3Server = request.getfixturevalue("server")
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        below = "/of/ours/" if request.param == "prefix" else ""
        made = storage_at(f"s3://{new_bucket()}{below}")
    made.prepare()
    return made


def test_numbers_go_up_and_are_not_given_again(storage: Storage) -> None:
    """A deleted version's number stays its own, the last one's too."""
    with storage.writing():
        first, second = storage.add("colours", FILES), storage.add("colours", FILES)
        other = storage.add("shapes", FILES)
        storage.remove(second, lambda: False)
        third = storage.add("colours", FILES)

    assert (str(first), str(second), str(other)) == ("colours/1", "colours/2", "shapes/1")
    assert str(third) == "colours/3"
    assert storage.versions() == [first, third, other]
    assert storage.revision(str(second)) is None


def test_a_given_number_is_taken_once(storage: Storage) -> None:
    """A deleted version may come back under it, and none with another content."""
    changed = {**FILES, MANIFEST_FILE: b'{"other": 1}'}
    with storage.writing():
        seventh = storage.add("colours", FILES, "7")
        with pytest.raises(ConflictError, match="colours/7 is there already"):
            storage.add("colours", FILES, "7")
        storage.remove(seventh, lambda: False)
        with pytest.raises(ConflictError, match="was deleted, and had another content"):
            storage.add("colours", changed, "7")
        assert storage.versions() == []
        assert storage.add("colours", FILES, "7") == seventh
        assert storage.add("colours", changed) == VersionId("colours", "8")

    assert storage.read(f"{seventh}/model.onnx").content == b"graph"


def test_deleting_once_more_changes_nothing(storage: Storage) -> None:
    """The deleted version may come back all the same."""
    with storage.writing():
        first = storage.add("colours", FILES)
        storage.remove(first, lambda: False)
        with pytest.raises(UnknownVersionError, match="there is no version colours/1 in "):
            storage.remove(first, lambda: False)
        assert storage.add("colours", FILES, "1") == first


def test_deleting_replaces_an_older_tombstone(storage: Storage) -> None:
    """Which a version has that came back, or one whose deletion went wrong."""
    nothing = hashlib.sha256(b"").hexdigest().encode()
    with storage.writing():
        first = storage.add("colours", FILES)
        storage.replace("colours/.deleted-1", nothing, None)
        storage.remove(first, lambda: False)

        assert storage.add("colours", FILES, "1") == first


def test_what_is_needed_by_then_is_put_back(storage: Storage) -> None:
    """A version that somebody came to need while it was being deleted is there, whole."""
    with storage.writing():
        first = storage.add("colours", FILES)
        with pytest.raises(NeededError, match="colours/1 is needed"):
            storage.remove(first, lambda: True)

    assert storage.versions() == [first]
    assert {name: storage.read(f"{first}/{name}").content for name in FILES} == FILES


def test_a_file_is_replaced_only_as_it_was_read(storage: Storage) -> None:
    """The slower of two writers is told, and changes nothing."""
    with storage.writing():
        storage.replace("active.json", b"one", None)
        content, revision = storage.read("active.json")
        storage.replace("active.json", b"two", revision)
        for seen in (revision, None):
            with pytest.raises(ConflictError):
                storage.replace("active.json", b"three", seen)

    assert content == b"one"
    assert storage.read("active.json").content == b"two"
    assert storage.revision("active.json") not in {None, revision}


def test_missing_and_large_files_are_errors_of_the_system(storage: Storage) -> None:
    """What is not there is told from what is refused."""
    with storage.writing():
        first = storage.add("colours", FILES)

    with pytest.raises(FileNotFoundError):
        storage.read(f"{first}/evidence.onnx")
    with pytest.raises(FileNotFoundError):
        storage.read("active.json")
    with pytest.raises(OSError, match="over 4 bytes"):
        storage.read(f"{first}/model.onnx", most=4)
    assert storage.revision("active.json") is None
    assert storage.revision("colours/2") is None


def test_a_version_of_megabytes_comes_back_as_it_was(storage: Storage) -> None:
    """Four megabytes, to the byte."""
    graph = hashlib.sha256(b"seed").digest() * (1 << 17)
    with storage.writing():
        first = storage.add("colours", {**FILES, "model.onnx": graph})

    assert storage.read(f"{first}/model.onnx").content == graph
