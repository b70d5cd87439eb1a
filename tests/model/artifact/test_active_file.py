"""`active.json` that cannot be read: worded in one line, mended with a copy, or left alone."""

import errno
import json
import os
from pathlib import Path

import pytest

from model.artifact.folder import FolderStorage
from model.artifact.repository import ModelRepository
from model.artifact.storage import Found
from model.artifact.version import DamagedError, RepositoryError, VersionId
from tests.bucket import S3Server, new_bucket
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel

FIRST, SECOND = VersionId("colours", "1"), VersionId("colours", "2")
SOUND = {"format": 2, "default": "colours", "models": {"colours": {"active": "1"}}}
DAMAGED = {
    "cut off": (b'{"format": 2, "default": "col', "Invalid JSON: EOF while parsing a string"),
    "empty": (b"", "Invalid JSON: EOF while parsing a value"),
    "no text": (b"\xff\xfe\x00", "Invalid JSON: expected value"),
    "a list": (b"[]", "Input should be"),
    "a field is missing": (b'{"format": 2, "models": {}}', "default: Field required"),
    "no such default": (
        json.dumps({**SOUND, "default": "shapes"}).encode(),
        "the default model 'shapes' has no active version",
    ),
    "a bad version": (
        json.dumps({**SOUND, "models": {"colours": {"active": "x/1"}}}).encode(),
        "models.colours.active: bad version 'x/1'",
    ),
    "a name of several lines": (
        json.dumps({**SOUND, "models": {"a\nb": {"active": "1"}}}).encode(),
        "models.a b.[key]: bad model name",
    ),
}
LATER = {
    "another format": ({"format": 3, "serving": ["colours/1"]}, "it is of format 3, and 2 is"),
    "another field": ({**SOUND, "regions": {}}, "regions is not known here"),
    "another field within": (
        {**SOUND, "models": {"colours": {"active": "1", "weights": {}}}},
        "models.colours.weights is not known here",
    ),
}


@pytest.fixture
def filled(repository: ModelRepository, tiny_models: list[TinyModel]) -> ModelRepository:
    """Publish two versions; the first is active, and labelled."""
    for tiny in tiny_models[:2]:
        publish(repository, tiny)
    repository.activate(FIRST)
    repository.set_label(FIRST, "night")
    return repository


def copies(repository: ModelRepository) -> list[bytes]:
    """Read the copies of damaged files."""
    return [path.read_bytes() for path in sorted(repository.root.glob("active.json.damaged-*"))]


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_worded_in_one_line(
    filled: ModelRepository, content: bytes, message: str
) -> None:
    """With the place and what is wrong, and without the library's own words."""
    (filled.root / "active.json").write_bytes(content)

    with pytest.raises(DamagedError) as damaged:
        filled.active()

    said = str(damaged.value)
    assert said.startswith(f"active.json cannot be read: {message}")
    assert said.endswith("; activate a version to mend it")
    assert "\n" not in said
    assert not any(each in said for each in ("pydantic", "input_value", "Value error", "http"))


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_activating_keeps_a_damaged_file_and_says_so(
    filled: ModelRepository, content: bytes, message: str
) -> None:
    """Beside it, under a name that is no version, and what is lost is told."""
    path = filled.root / "active.json"
    path.write_bytes(content)

    said = filled.activate(SECOND)

    (kept,) = filled.root.glob("active.json.damaged-*")
    assert kept.read_bytes() == content
    assert said is not None
    assert said.startswith(f"active.json cannot be read: {message}")
    assert f"it is kept as {kept.name}, and counts no more: what was active under" in said
    assert filled.active() == SECOND
    assert filled.versions() == [FIRST, SECOND]
    assert filled.activate(FIRST) is None


def test_one_damage_does_not_replace_the_copy_of_another(filled: ModelRepository) -> None:
    """The first may be the one that is wanted; the same twice is kept once."""
    path = filled.root / "active.json"
    for content in (b"first", b"second", b"first"):
        path.write_bytes(content)
        filled.activate(FIRST)

    assert sorted(copies(filled)) == [b"first", b"second"]


@pytest.mark.parametrize(("later", "message"), LATER.values(), ids=LATER)
def test_what_a_later_goodserve_wrote_is_left_alone(
    filled: ModelRepository, later: dict[str, object], message: str
) -> None:
    """It knows what is active; here nothing can be read or changed, and the file stays."""
    path = filled.root / "active.json"
    path.write_text(json.dumps(later))

    with pytest.raises(RepositoryError, match=message) as refused:
        filled.active()
    with pytest.raises(RepositoryError, match=message):
        filled.activate(SECOND)

    assert not isinstance(refused.value, DamagedError)
    assert json.loads(path.read_text()) == later
    assert copies(filled) == []


class FailingStorage(FolderStorage):
    """A folder in which `active.json` cannot be opened."""

    def __init__(self, root: Path, number: int) -> None:
        """Fail by this number of the system's."""
        super().__init__(root)
        self._number = number

    def read(self, path: str, most: int | None = None) -> Found:
        """Read any other file."""
        if path == "active.json":
            raise OSError(self._number, os.strerror(self._number), path)
        return super().read(path, most)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_a_file_that_cannot_be_opened_is_left_alone(filled: ModelRepository, number: int) -> None:
    """It may be sound: what is active under other names, labels and history are in it."""
    path = filled.root / "active.json"
    before = path.read_bytes()
    failing = ModelRepository(FailingStorage(filled.root, number))

    with pytest.raises(RepositoryError, match=f"cannot be read: {os.strerror(number)}$"):
        failing.activate(SECOND)

    assert path.read_bytes() == before
    assert copies(filled) == []


def test_what_is_no_file_is_left_alone(filled: ModelRepository) -> None:
    """A pipe, for example, or one that is far too large."""
    path = filled.root / "active.json"
    path.write_bytes(b" " * (2 << 20))

    with pytest.raises(RepositoryError, match="it has over 1,048,576 bytes"):
        filled.activate(SECOND)

    assert path.stat().st_size == 2 << 20


def test_a_copy_that_cannot_be_kept_stops_the_mending(filled: ModelRepository) -> None:
    """Nothing is replaced of which there is no copy."""
    path = filled.root / "active.json"
    path.write_bytes(b"damaged")

    class Full(FolderStorage):
        def replace(self, path: str, content: bytes, revision: str | None) -> None:
            if path != "active.json":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            super().replace(path, content, revision)

    with pytest.raises(RepositoryError, match="cannot be written: No space left"):
        ModelRepository(Full(filled.root)).activate(SECOND)

    assert path.read_bytes() == b"damaged"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_a_failing_look_afterwards_leaves_a_good_change(
    filled: ModelRepository, number: int
) -> None:
    """Only a version that is gone for certain is one that was deleted meanwhile."""

    class FailingAfterwards(FolderStorage):
        """Everything fails of the version once it is named."""

        is_named = False

        def replace(self, path: str, content: bytes, revision: str | None) -> None:
            super().replace(path, content, revision)
            self.is_named = True

        def read(self, path: str, most: int | None = None) -> Found:
            if self.is_named and path.startswith("colours/"):
                raise OSError(number, os.strerror(number), path)
            return super().read(path, most)

        def revision(self, path: str) -> str | None:
            is_failing = self.is_named and path.startswith("colours/")
            return None if is_failing else super().revision(path)

    failing = ModelRepository(FailingAfterwards(filled.root))

    failing.activate(SECOND)

    assert filled.active() == SECOND


def test_a_damaged_file_in_a_bucket_is_kept_too(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tiny_models: list[TinyModel]
) -> None:
    """As an object beside it, which is no version."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    repository = ModelRepository(f"s3://{new_bucket()}/models")
    repository.activate(publish(repository, tiny_models[0]))
    storage = repository.storage
    storage.replace("active.json", b"damaged", storage.revision("active.json"))

    said = repository.activate(FIRST)

    assert said is not None
    kept = said.partition("it is kept as ")[2].partition(",")[0]
    assert storage.read(kept).content == b"damaged"
    assert repository.active() == FIRST
    assert repository.versions() == [FIRST]
