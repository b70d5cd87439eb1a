"""Calibrating sets of classes: at export, and of versions that were published without."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from model.artifact.conformal import ConformalScale
from model.artifact.manifest import Parent
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession
from model.artifact.version import VersionId
from tests.pictures import write_folder
from tests.trained import SmallModel
from training.__main__ import main
from training.data.dataset import Dataset, Split
from training.data.former import FORMER_RULE, former_fingerprint, former_validation
from training.data.load import load_dataset
from training.data.split import PLACE_RULE, split_validation
from training.errors import DataError
from training.publish.conformal import conformal_scale
from training.publish.validation import trained_on, validation_images
from training.results.run import Run


def data_of(small: SmallModel) -> str:
    """Name the data of a small model as a flag does."""
    return Run(small.run).settings().data.source


@pytest.fixture
def bare(tmp_path: Path, small_models: list[SmallModel]) -> ModelRepository:
    """Publish a small model as it was before sets were calibrated."""
    small, repository = small_models[0], ModelRepository(tmp_path / "models")
    manifest = small.manifest.model_copy(update={"conformal": None})
    repository.activate(repository.publish("colours", small.model, manifest, small.graphs))
    return repository


def calibrate(repository: ModelRepository, data: str, *flags: str) -> int:
    """Run the command."""
    where = ["--repository", str(repository.root), "--data", data]
    return main(["calibrate", "colours/1", *where, *flags])


def test_an_export_is_calibrated_by_its_validation_images(small_models: list[SmallModel]) -> None:
    """Each true class's probability, by the exported model, of the images set aside in the run."""
    small = small_models[0]
    settings = Run(small.run).settings()
    dataset = load_dataset(settings.data, settings.run.seed)
    kept = split_validation(dataset, settings.data.validation_fraction, settings.run.seed)[1]

    probabilities = OnnxSession(small.model, "cpu")(kept.images.numpy()).probabilities

    true = probabilities[np.arange(len(kept)), kept.labels.numpy()]
    assert small.manifest.conformal == ConformalScale.of(true)
    assert small.manifest.conformal is not None
    assert small.manifest.conformal.n == len(kept) > 5


def test_a_published_version_is_calibrated_anew(
    bare: ModelRepository, small_models: list[SmallModel], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same files, and a manifest that says what the export would have said."""
    assert calibrate(bare, data_of(small_models[0]), "--activate") == 0

    old, new = (bare.read(VersionId("colours", number)) for number in "12")
    assert new.manifest.model_copy(update={"parent": None}) == small_models[0].manifest
    made_of = hashlib.sha256(bare.manifest_content(old.id)).hexdigest()
    assert new.manifest.parent == Parent(version="colours/1", manifest_sha256=made_of)
    assert (new.model, new.graphs) == (old.model, old.graphs)
    assert bare.active() == new.id
    printed = capsys.readouterr().out
    assert f"calibrated on {small_models[0].manifest.conformal.n} validation images" in printed  # type: ignore[union-attr]
    assert "published colours/2" in printed


def test_other_data_are_refused(
    bare: ModelRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images that it learned from would make its sets too small; nothing is published."""
    write_folder(tmp_path / "other", per_class=20)

    assert calibrate(bare, f"folder:{tmp_path / 'other'}") == 2

    assert "are not the data that the version was trained on" in capsys.readouterr().err
    assert len(bare.versions()) == 1


def by_place(small: SmallModel) -> Dataset:
    """Split the data of a small model as the first two rules do."""
    settings = Run(small.run).settings()
    data = settings.data.model_copy(update={"split_rule": PLACE_RULE})
    return load_dataset(data, settings.run.seed)


def test_images_set_aside_by_their_place_are_found_again(small_models: list[SmallModel]) -> None:
    """A version of the second rule was validated on others than one of today would be."""
    small = small_models[0]
    dataset, training = by_place(small), small.manifest.training | {"split_rule": PLACE_RULE}
    change = {"training": training, "data_sha256": dataset.fingerprint()}

    found = validation_images(small.manifest.model_copy(update=change), data_of(small))

    fraction, seed = training["validation_fraction"], training["seed"]
    assert found.images.equal(split_validation(dataset, fraction, seed)[1].images)
    assert not found.images.equal(validation_images(small.manifest, data_of(small)).images)


def test_images_set_aside_by_the_first_rule_are_found_again(
    small_models: list[SmallModel],
) -> None:
    """By its own fingerprint, and none of those that such a version learned from."""
    small = small_models[0]
    dataset = by_place(small)
    training = {name: v for name, v in small.manifest.training.items() if name != "split_rule"}
    change = {"training": training, "data_sha256": former_fingerprint(dataset)}
    former = small.manifest.model_copy(update=change)

    found = validation_images(former, data_of(small))

    fraction, seed = training["validation_fraction"], training["seed"]
    order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(seed))
    aside = order[: round(len(order) * fraction)].sort().values
    assert found.images.equal(dataset.train.take(aside).images)
    assert len(found) == round(len(dataset.train) * fraction)
    with pytest.raises(DataError, match="are not the data"):
        validation_images(former.model_copy(update={"data_sha256": "0" * 64}), data_of(small))


def test_a_rule_that_is_unknown_is_refused(small_models: list[SmallModel]) -> None:
    """A later one may have set other images aside."""
    manifest = small_models[0].manifest
    later = {**manifest.training, "split_rule": 4}

    with pytest.raises(DataError, match=r"set aside by rule 4.*upgrade goodserve"):
        validation_images(manifest.model_copy(update={"training": later}), "folder:anywhere")


def test_the_former_fingerprint_knows_pixels_and_labels(small_models: list[SmallModel]) -> None:
    """Another pixel or label gives another one; rows of a pool give what their images give."""
    dataset = trained_on(small_models[0].manifest, data_of(small_models[0]))
    train = dataset.train
    gathered = Split(train.images, train.labels)
    relabelled = Split(train.images, train.labels.flip(0))

    prints = [
        former_fingerprint(type(dataset)(split, dataset.test, dataset.labels, may_flip=True))
        for split in (train, gathered, relabelled)
    ]

    assert prints[0] == prints[1] != prints[2]
    assert FORMER_RULE == 1
    assert len(former_validation(train, 0.25, 3)) == round(len(train) * 0.25)


def test_sets_hold_the_true_class_of_the_validation_images(small_models: list[SmallModel]) -> None:
    """Of the images they are calibrated by, at least as often as asked."""
    small = small_models[1]
    images = validation_images(small.manifest, data_of(small))
    session = OnnxSession(small.model, "cpu")
    scale = conformal_scale(session, images)

    probabilities = session(images.images.numpy()).probabilities

    for confidence in (0.3, 0.5, 0.8):
        holds = scale.members(probabilities, confidence)[
            np.arange(len(images)), images.labels.numpy()
        ]
        assert holds.mean() >= confidence
