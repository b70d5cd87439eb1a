"""Versions that keep validation images, and hand them on to the next one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from model.artifact.holdout import HOLDOUT_FILE, unpack
from model.artifact.manifest import Parent
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession
from model.artifact.version import VersionId
from tests.trained import SmallModel
from training.__main__ import main
from training.publish.publishing import publish_export
from training.publish.target import Target
from training.request import EXPORT_FOLDER
from training.results.run import Run


@pytest.fixture
def published(tmp_path: Path, small_models: list[SmallModel]) -> ModelRepository:
    """Publish a small model, which keeps no images yet."""
    repository = ModelRepository(tmp_path / "models")
    repository.activate(repository.publish("colours", *small_models[0].published))
    return repository


def holdout(repository: ModelRepository, small: SmallModel, *flags: str) -> int:
    """Run the command."""
    data = Run(small.run).settings().data.source
    where = ["--repository", str(repository.root), "--data", data]
    return main(["holdout", "colours/1", *where, *flags])


def test_a_version_keeps_images_and_how_many_it_gets_right(
    published: ModelRepository, small_models: list[SmallModel]
) -> None:
    """As the runtime counts them again, and everything else is as it was."""
    assert holdout(published, small_models[0], "--images", "4", "--activate") == 0

    old, new = (published.read(VersionId("colours", number)) for number in "12")
    kept = new.manifest.holdout
    assert kept is not None
    assert kept.n == 4
    size = new.manifest.image_height
    pixels, labels = unpack(new.graphs[HOLDOUT_FILE], 4, size, size)
    scores = OnnxSession(new.model, "cpu")(pixels).scores
    assert kept.correct == (scores.argmax(axis=1) == labels).sum()
    unlinked = new.manifest.model_copy(update={"holdout": None, "parent": None})
    assert unlinked == old.manifest
    made_of = hashlib.sha256(published.manifest_content(old.id)).hexdigest()
    assert new.manifest.parent == Parent(version="colours/1", manifest_sha256=made_of)
    assert new.model == old.model


def test_the_next_version_is_handed_the_images(
    published: ModelRepository, small_models: list[SmallModel]
) -> None:
    """With how many it gets right itself."""
    assert holdout(published, small_models[0], "--images", "4", "--activate") == 0

    target = Target(published.root, "colours", activate=True)
    third = publish_export(small_models[1].run / EXPORT_FOLDER, target).version

    second, new = published.read(VersionId("colours", "2")), published.read(third)
    assert new.graphs[HOLDOUT_FILE] == second.graphs[HOLDOUT_FILE]
    size = new.manifest.image_height
    pixels, labels = unpack(new.graphs[HOLDOUT_FILE], 4, size, size)
    scores = OnnxSession(new.model, "cpu")(pixels).scores
    assert new.manifest.holdout is not None
    assert new.manifest.holdout.correct == np.sum(scores.argmax(axis=1) == labels)


def test_no_image_is_no_holdout(
    published: ModelRepository,
    small_models: list[SmallModel],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is refused, and nothing is published."""
    assert holdout(published, small_models[0], "--images", "0") == 2

    assert "keep at least one" in capsys.readouterr().err
    assert len(published.versions()) == 1
