"""Signed versions: what was altered, renamed or signed by others is refused."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model.artifact.folder import FolderStorage
from model.artifact.repository import ModelRepository
from model.artifact.signing import KeyFileError, TrustedKeys, write_new_key
from model.artifact.storage import Found
from model.artifact.upkeep import sign
from model.artifact.version import BrokenVersionError, RepositoryError, VersionId
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel, tiny_stages

FIRST, SECOND = VersionId("colours", "1"), VersionId("colours", "2")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a key pair."""
    path = tmp_path / "key"
    write_new_key(path)
    return path


@pytest.fixture
def trusting(
    repository: ModelRepository, tiny_models: list[TinyModel], key: Path
) -> ModelRepository:
    """Two versions, of which the first is signed, read by somebody who trusts that key."""
    for tiny in tiny_models[:2]:
        publish(repository, tiny)
    sign(repository, FIRST, key)
    return ModelRepository(repository.root, TrustedKeys.read(key.with_name("key.pub")))


def change(path: Path, old: bytes, new: bytes) -> None:
    """Change a file that nobody should."""
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def test_a_signed_version_is_read_and_activated(
    trusting: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """It is what was published."""
    assert trusting.read(FIRST).manifest == tiny_models[0].manifest

    trusting.activate(FIRST)

    assert trusting.active() == FIRST


def test_an_unsigned_version_is_refused(trusting: ModelRepository) -> None:
    """Whatever is asked of it; who trusts anybody reads it."""
    for attempt in (trusting.read, trusting.manifest, trusting.activate):
        with pytest.raises(BrokenVersionError, match="colours/2 is not signed; goodserve models"):
            attempt(SECOND)

    assert ModelRepository(trusting.root).read(SECOND).id == SECOND


def swap_versions(root: Path) -> None:
    """Lay the signed first version under the second's number."""
    shutil.rmtree(root / "colours" / "2")
    shutil.copytree(root / "colours" / "1", root / "colours" / "2")


def other_model(root: Path) -> None:
    """Lay the signed version under another model's name."""
    shutil.copytree(root / "colours", root / "shapes")


def signature_of_another(root: Path) -> None:
    """Take the first version's signature for the second."""
    shutil.copy(root / "colours/1/signature.json", root / "colours/2/signature.json")


@pytest.mark.parametrize(
    ("attack", "victim"),
    [
        (lambda root: change(root / "colours/1/manifest.json", b'"blue"', b'"grue"'), "colours/1"),
        (lambda root: change(root / "colours/1/signature.json", b'": "', b'": "AAAA'), "colours/1"),
        (swap_versions, "colours/2"),
        (other_model, "shapes/1"),
        (signature_of_another, "colours/2"),
    ],
)
def test_an_altered_or_renamed_version_is_refused(
    trusting: ModelRepository, attack: Callable[[Path], None], victim: str
) -> None:
    """The signature holds the content together with the name and the number."""
    attack(trusting.root)

    with pytest.raises(BrokenVersionError, match=f"{victim} is signed by no trusted key, or was"):
        trusting.read(VersionId.parse(victim))


@pytest.mark.parametrize("file", ["model.onnx", "prefix.onnx", "suffix.onnx"])
def test_every_graph_is_covered(
    trusting: ModelRepository, tiny_models: list[TinyModel], key: Path, file: str
) -> None:
    """The manifest, which is signed, has the hash of each."""
    stages = tiny_stages(0)
    cut = trusting.publish("cut", tiny_models[0].model, stages.manifest, stages.graphs)
    sign(trusting, cut, key)
    assert trusting.read(cut).graphs == stages.graphs

    change(trusting.root / str(cut) / file, b"Softmax" if file == "model.onnx" else b"w", b"W")

    with pytest.raises(BrokenVersionError, match=f"cut/1 is corrupt: {file}"):
        trusting.read(cut)


def test_keys_are_replaced_one_after_the_other(
    trusting: ModelRepository, key: Path, tmp_path: Path
) -> None:
    """A file may hold several public keys; another's alone does not do."""
    other = write_new_key(tmp_path / "other")
    both = tmp_path / "both.pub"
    both.write_bytes(other.read_bytes() + key.with_name("key.pub").read_bytes())

    assert ModelRepository(trusting.root, TrustedKeys.read(both)).read(FIRST).id == FIRST
    with pytest.raises(BrokenVersionError, match="signed by no trusted key"):
        ModelRepository(trusting.root, TrustedKeys.read(other)).read(FIRST)
    sign(trusting, FIRST, tmp_path / "other")
    assert ModelRepository(trusting.root, TrustedKeys.read(other)).read(FIRST).id == FIRST


def test_a_broken_version_is_not_signed(trusting: ModelRepository, key: Path) -> None:
    """What is signed is what its files are."""
    change(trusting.root / "colours/2/model.onnx", b"Softmax", b"Hardmax")

    with pytest.raises(BrokenVersionError, match="colours/2 is corrupt"):
        sign(trusting, SECOND, key)

    assert not (trusting.root / "colours/2/signature.json").exists()


@pytest.mark.parametrize("content", ["", "{", json.dumps({"format": 1, "ed25519": "ä"})])
def test_a_damaged_signature_is_refused(trusting: ModelRepository, content: str) -> None:
    """It is an error of the version, and none of ours."""
    path = trusting.root / "colours/1/signature.json"
    path.chmod(0o644)
    path.write_text(content)

    with pytest.raises(BrokenVersionError, match=r"damaged signature\.json"):
        trusting.read(FIRST)


def test_a_private_key_is_its_owners_alone_and_never_overwritten(key: Path) -> None:
    """Nobody else may read it."""
    assert key.stat().st_mode & 0o777 == 0o600

    with pytest.raises(KeyFileError, match="key cannot be written: File exists"):
        write_new_key(key)


def test_a_wrong_key_file_says_what_it_should_be(
    trusting: ModelRepository, key: Path, tmp_path: Path
) -> None:
    """A private key is no public one, and the other way round."""
    for path, message in (
        (key, "must hold public keys of Ed25519"),
        (tmp_path / "none", "cannot be read: No such file"),
    ):
        with pytest.raises(KeyFileError, match=message):
            TrustedKeys.read(path)
    with pytest.raises(RepositoryError, match="holds no private key"):
        sign(trusting, SECOND, key.with_name("key.pub"))


class Failing(FolderStorage):
    """A folder in which one file cannot be read."""

    def __init__(self, root: Path, file: str, number: int) -> None:
        """Name the file, and the system's number of the error."""
        super().__init__(root)
        self._file, self._number = file, number

    def read(self, path: str, most: int | None = None) -> Found:
        """Read any other file."""
        if path.endswith(f"/{self._file}"):
            raise OSError(self._number, os.strerror(self._number), path)
        return super().read(path, most)


FILES = ["manifest.json", "model.onnx", "signature.json"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE])
def test_a_passing_trouble_of_the_medium_is_not_the_versions_fault(
    trusting: ModelRepository, key: Path, file: str, number: int
) -> None:
    """The version may be sound; it is not said to be broken."""
    trusted = TrustedKeys.read(key.with_name("key.pub"))
    failing = ModelRepository(Failing(trusting.root, file, number), trusted)
    message = f"{file} of colours/1 cannot be read just now ({os.strerror(number)})"

    with pytest.raises(RepositoryError, match=re.escape(message)) as refused:
        failing.read(FIRST)

    assert not isinstance(refused.value, BrokenVersionError)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EISDIR, errno.EFBIG])
def test_what_is_said_of_a_file_itself_breaks_the_version(
    trusting: ModelRepository, key: Path, file: str, number: int
) -> None:
    """It stays so until somebody mends the file."""
    trusted = TrustedKeys.read(key.with_name("key.pub"))
    failing = ModelRepository(Failing(trusting.root, file, number), trusted)

    with pytest.raises(BrokenVersionError, match=re.escape(os.strerror(number))):
        failing.read(FIRST)
