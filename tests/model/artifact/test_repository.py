"""Versions on disk: whole or absent, never changed, one of them active."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import (
    BrokenVersionError,
    RepositoryError,
    UnknownVersionError,
    VersionId,
)
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel


def test_what_was_published_is_read_again(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """A version's bytes and manifest come back as they went in."""
    published = publish(repository, tiny_models[0])

    stored = repository.read(published)

    assert str(published) == "colours/1"
    assert stored.model == tiny_models[0].model
    assert stored.manifest == tiny_models[0].manifest


def test_versions_count_up_by_name(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Each name counts for itself, and ten comes after nine."""
    for _ in range(10):
        publish(repository, tiny_models[0])
    publish(repository, tiny_models[0], "other")

    found = [str(version) for version in repository.versions()]

    assert found == [f"colours/{n}" for n in range(1, 11)] + ["other/1"]


def test_publishing_alone_activates_nothing(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """A new version serves only when somebody says so."""
    publish(repository, tiny_models[0])

    assert repository.active() is None


def test_rollback_goes_back_step_by_step(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Every activation can be taken back, in order, and then there is nothing left."""
    versions = [publish(repository, tiny) for tiny in tiny_models]
    for version in versions:
        repository.activate(version)
    repository.activate(versions[2])

    assert repository.rollback() == versions[1]
    assert repository.rollback() == versions[0]
    assert repository.active() == versions[0]
    with pytest.raises(UnknownVersionError, match="nothing was active before"):
        repository.rollback()


def test_a_published_version_is_read_only(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Files of a version may be read by all and written by none."""
    folder = repository.root / str(publish(repository, tiny_models[0]))

    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}

    assert modes == {"model.onnx": 0o444, "manifest.json": 0o444}
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_model_other_than_its_manifests_is_not_published(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Publishing checks the hash, and leaves nothing behind when it does not fit."""
    with pytest.raises(BrokenVersionError, match=r"colours is corrupt: model\.onnx has sha256"):
        repository.publish("colours", tiny_models[1].model, tiny_models[0].manifest)

    assert repository.versions() == []


def damage_model(folder: Path) -> None:
    """Flip a byte in the middle of the model."""
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def cut_manifest(folder: Path) -> None:
    """Cut the manifest in half."""
    path = folder / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_model, "is corrupt"),
        (cut_manifest, "bad manifest"),
        (lambda folder: (folder / "model.onnx").unlink(), r"incomplete: model\.onnx"),
        (lambda folder: (folder / "manifest.json").unlink(), r"incomplete: manifest\.json"),
    ],
)
def test_a_broken_version_is_neither_read_nor_activated(
    repository: ModelRepository,
    tiny_models: list[TinyModel],
    damage: Callable[[Path], object],
    message: str,
) -> None:
    """Corrupt, cut and half-written versions are told apart and refused."""
    sound, broken = publish(repository, tiny_models[0]), publish(repository, tiny_models[1])
    repository.activate(sound)
    damage(repository.root / str(broken))

    for attempt in (repository.read, repository.activate):
        with pytest.raises(BrokenVersionError, match=message):
            attempt(broken)

    assert repository.active() == sound


@pytest.mark.parametrize("text", ["../1", "a/0", "a/01", "a", "A/1", ".x/1", "a/1/2", "a/-1", ""])
def test_names_that_could_leave_the_folder_are_refused(text: str) -> None:
    """A name is one plain folder name, a version a whole number from 1."""
    with pytest.raises(RepositoryError, match=r"bad (model name|version)"):
        VersionId.parse(text)


def test_a_missing_version_is_unknown(repository: ModelRepository) -> None:
    """Reading what was never published says so."""
    with pytest.raises(UnknownVersionError, match=r"no version colours/7"):
        repository.read(VersionId("colours", "7"))


def test_publishers_at_once_get_versions_of_their_own(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Eight threads publish and activate together; nothing is lost or overwritten."""
    published: list[VersionId] = []

    def work() -> None:
        version = publish(repository, tiny_models[0])
        repository.activate(version)
        published.append(version)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    state = json.loads((repository.root / "active.json").read_text())
    assert len(set(published)) == 8
    history = state["models"]["colours"]
    assert {history["active"], *history["previous"]} == {each.version for each in published}


def test_a_stray_file_does_not_block_the_next_version(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """A file that is named like a version takes the number, and the next one is free."""
    publish(repository, tiny_models[0])
    (repository.root / "colours" / "2").write_text("stray")

    assert str(publish(repository, tiny_models[0])) == "colours/3"


def test_every_name_has_its_own_active_version(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """Activating and rolling back one name leaves the others alone; the first is the default."""
    colours = [publish(repository, tiny) for tiny in tiny_models[:2]]
    shapes = [publish(repository, tiny, "shapes") for tiny in tiny_models[:2]]
    for version in (colours[0], shapes[0], shapes[1]):
        repository.activate(version)

    assert repository.active() == repository.active("colours") == colours[0]
    assert repository.active("shapes") == shapes[1]
    assert repository.active("letters") is None

    assert repository.rollback("shapes") == shapes[0]
    with pytest.raises(UnknownVersionError, match="nothing was active before colours/1"):
        repository.rollback()
    repository.make_default("shapes")
    assert repository.active() == shapes[0]
    with pytest.raises(RepositoryError, match="shapes is the default model"):
        repository.deactivate("shapes")
    repository.deactivate("colours")
    assert repository.active("colours") is None
    for name in ("colours", "letters"):
        with pytest.raises(UnknownVersionError, match=f"no version of {name} is active"):
            repository.make_default(name)


def test_the_first_format_of_the_active_file_is_read(
    repository: ModelRepository, tiny_models: list[TinyModel]
) -> None:
    """One version was active then; its own history goes on, and the next write is of today."""
    versions = [publish(repository, tiny) for tiny in tiny_models[:2]]
    publish(repository, tiny_models[0], "shapes")
    path = repository.root / "active.json"
    path.write_text('{"active": "colours/2", "previous": ["colours/1", "shapes/1"]}')

    assert repository.active() == versions[1]
    assert repository.active("shapes") is None
    assert repository.rollback() == versions[0]
    assert json.loads(path.read_text())["format"] == 2


def test_a_huge_active_file_is_not_read_whole(repository: ModelRepository) -> None:
    """It is refused by its size."""
    repository.root.mkdir(exist_ok=True)
    (repository.root / "active.json").write_bytes(b" " * (2 << 20))

    with pytest.raises(RepositoryError, match="it has over 1,048,576 bytes"):
        repository.active()
