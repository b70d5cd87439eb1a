"""Repositories that somebody made to do harm: pipes, links out of the folder, folders for files."""

import os
import shutil
from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import BrokenVersionError, RepositoryError, VersionId
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel

FIRST = VersionId("colours", "1")


@pytest.fixture
def published(repository: ModelRepository, tiny_models: list[TinyModel]) -> Path:
    """Publish and activate a version that can be changed; give its folder."""
    repository.activate(publish(repository, tiny_models[0]))
    folder = repository.root / "colours" / "1"
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize("file", ["model.onnx", "manifest.json"])
def test_a_pipe_is_refused_and_not_waited_for(
    file: str, published: Path, repository: ModelRepository
) -> None:
    """Nobody will ever write into it."""
    (published / file).unlink()
    os.mkfifo(published / file)

    with pytest.raises(BrokenVersionError, match=r"cannot be read \(it is no regular file\)"):
        repository.read(FIRST)


def test_a_pipe_for_the_active_file(repository: ModelRepository, published: Path) -> None:
    """It is damaged, like any other file that is none."""
    assert published.exists()
    (repository.root / "active.json").unlink()
    os.mkfifo(repository.root / "active.json")

    with pytest.raises(RepositoryError, match="it is no regular file"):
        repository.active()


def test_a_folder_in_place_of_a_graph(repository: ModelRepository, published: Path) -> None:
    """It is refused."""
    (published / "model.onnx").unlink()
    (published / "model.onnx").mkdir()

    with pytest.raises(BrokenVersionError, match=r"model\.onnx cannot be read"):
        repository.read(FIRST)


@pytest.mark.parametrize("linked", ["model.onnx", "manifest.json", ""])
def test_a_link_that_leads_out_is_refused(
    linked: str, published: Path, repository: ModelRepository, tmp_path: Path
) -> None:
    """Of a file and of the version's folder, though what it leads to is sound."""
    outside = tmp_path / "outside"
    shutil.copytree(published, outside)
    shutil.rmtree(published) if not linked else (published / linked).unlink()
    (published / linked if linked else published).symlink_to(outside / linked)

    with pytest.raises(BrokenVersionError, match="it leads out of"):
        repository.read(FIRST)


@pytest.mark.parametrize("linked", ["model.onnx", "manifest.json"])
def test_a_link_that_leads_in_a_circle_is_refused(
    linked: str, published: Path, repository: ModelRepository
) -> None:
    """It is one broken version, which is listed."""
    (published / linked).unlink()
    (published / linked).symlink_to(linked)

    with pytest.raises(BrokenVersionError, match=rf"{linked} cannot be read \(Too many levels"):
        repository.read(FIRST)
    assert repository.versions() == [FIRST]


def test_a_circle_in_place_of_a_version_hides_no_others(
    repository: ModelRepository, published: Path
) -> None:
    """It is no folder, so no version, and its number is not given again."""
    (published.parent / "9").symlink_to("9")

    assert repository.versions() == [FIRST]
    with pytest.raises(BrokenVersionError, match="Too many levels of symbolic links"):
        repository.read(VersionId("colours", "9"))


def test_a_circle_in_place_of_the_active_file(repository: ModelRepository, published: Path) -> None:
    """It is said in words, and left alone."""
    assert published.exists()
    path = repository.root / "active.json"
    path.unlink()
    path.symlink_to("active.json")

    with pytest.raises(RepositoryError, match=r"active\.json cannot be read: Too many levels"):
        repository.active()
    with pytest.raises(RepositoryError, match=r"active\.json cannot be read: Too many levels"):
        repository.activate(FIRST)


def test_a_link_within_the_repository_is_followed(
    repository: ModelRepository, published: Path
) -> None:
    """Mounted volumes are made of such links."""
    data = repository.root / "..data"
    shutil.copytree(published, data)
    shutil.rmtree(published)
    published.symlink_to(data)

    assert repository.read(FIRST).id == FIRST


def test_a_repository_may_itself_be_a_link(
    repository: ModelRepository, published: Path, tmp_path: Path
) -> None:
    """Who names it trusts it."""
    assert published.exists()
    (tmp_path / "link").symlink_to(repository.root)

    assert ModelRepository(tmp_path / "link").read(FIRST).id == FIRST
