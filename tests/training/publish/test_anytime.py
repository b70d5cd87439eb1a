"""Versions that may stop early: cut, calibrated on validation images, published beside the old."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from model.artifact.anytime import softmax
from model.artifact.checks import check_stages, golden_pixels
from model.artifact.manifest import Parent
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession, OnnxStage
from model.artifact.version import VersionId
from tests.pictures import write_folder
from tests.training.data.sets import NeverWhole
from training.__main__ import main
from training.publish.anytime import cut_in_two
from training.publish.validation import validation_images

FLAGS = (
    "--epochs 2 --batch-size 16 --widths 8,12 --pool-before 2 --regions 2 --quiet --threads 1 "
    "--precision float32 --image-size 16 --validation-fraction 0.4"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small model and publish it as `colours/1`, with `data` beside the repository."""
    folder = tmp_path_factory.mktemp("anytime")
    data = f"folder:{write_folder(folder / 'data', per_class=24)}"
    publish = f"--publish {folder / 'models'} --name colours"
    assert main(["fit", data, "--run", str(folder / "run"), *FLAGS.split(), *publish.split()]) == 0
    return folder


def anytime(folder: Path, flags: str = "", data: str = "data", version: str = "colours/1") -> int:
    """Run the command."""
    where = ["--repository", str(folder / "models"), "--data", f"folder:{folder / data}"]
    return main(["anytime", version, *where, *flags.split()])


def test_a_version_is_published_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same model with two parts, whose thresholds hold on the run's validation images."""
    assert anytime(folder) == 0

    repository = ModelRepository(folder / "models")
    printed, version = capsys.readouterr().out, repository.versions()[-1]
    old, new = repository.read(VersionId("colours", "1")), repository.read(version)
    assert new.model == old.model
    assert new.manifest.anytime is not None
    unlinked = new.manifest.model_copy(update={"anytime": None, "parent": None})
    assert unlinked == old.manifest
    made_of = hashlib.sha256(repository.manifest_content(old.id)).hexdigest()
    assert new.manifest.parent == Parent(version="colours/1", manifest_sha256=made_of)
    assert new.manifest.anytime.prefix_layers == 1
    assert "may stop after stem" in printed
    assert f"published {version}" in printed
    assert repository.active() == old.id
    assert new.graphs.items() > old.graphs.items()
    prefix, suffix = (OnnxStage(new.graphs[f"{part}.onnx"], "cpu") for part in ("prefix", "suffix"))
    whole = OnnxSession(new.model, "cpu")
    check_stages(golden_pixels(new.manifest), whole, prefix, suffix)


def test_the_thresholds_hold_on_the_images_of_the_run(folder: Path) -> None:
    """Of the images that stop, as many agree with the whole network as the threshold says."""
    stored = ModelRepository(folder / "models").read(VersionId("colours", "1"))
    validation = validation_images(stored.manifest, f"folder:{folder / 'data'}")

    cut = cut_in_two(stored, validation, prefix_layers=1)

    images, anytime = validation.images.numpy(), cut.manifest.anytime
    assert anytime is not None
    whole = OnnxSession(stored.model, "cpu")(images).scores.argmax(axis=1)
    scores = OnnxStage(cut.graphs["prefix.onnx"], "cpu")(images)["contributions"].sum(axis=1)
    top = softmax(scores, anytime.temperature).max(axis=1)
    assert len(validation) == cut.n == 27
    assert len(cut.stopped) == len(anytime.thresholds) > 0
    for each in cut.stopped:
        stops = top >= each.threshold.probability
        agreement = (scores.argmax(axis=1) == whole)[stops].mean()
        assert agreement == each.agreement >= each.threshold.confidence
        assert stops.mean() == each.share


def test_images_are_read_a_few_at_a_time(folder: Path) -> None:
    """The validation split may be larger than memory, and is never gathered whole."""
    stored = ModelRepository(folder / "models").read(VersionId("colours", "1"))
    split = validation_images(stored.manifest, f"folder:{folder / 'data'}")

    cut = cut_in_two(stored, NeverWhole.of(split), prefix_layers=1)

    assert cut == cut_in_two(stored, split, prefix_layers=1)


def test_the_new_version_may_be_activated_at_once(folder: Path) -> None:
    """`--activate` says so."""
    repository = ModelRepository(folder / "models")
    before = repository.active()
    assert before is not None

    assert anytime(folder, "--prefix-layers 1 --activate") == 0

    assert repository.active() == repository.versions()[-1]
    repository.activate(before)


@pytest.mark.parametrize(
    ("flags", "version", "message"),
    [
        ("--prefix-layers 2", "colours/1", "a prefix of 2 layers of 2 leaves nothing"),
        ("", "colours/99", "there is no version colours/99"),
        ("", "colours", "bad version ''"),
    ],
)
def test_what_cannot_be_cut_is_said_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: str, version: str, message: str
) -> None:
    """Nothing is published."""
    versions = ModelRepository(folder / "models").versions()

    assert anytime(folder, flags, version=version) == 2

    assert message in capsys.readouterr().err
    assert ModelRepository(folder / "models").versions() == versions


def test_other_data_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images that the version learned from would make its prefix look too sure."""
    write_folder(tmp_path / "other", per_class=20)

    assert anytime(folder, data=str(tmp_path / "other")) == 2

    assert "are not the data that the version was trained on" in capsys.readouterr().err


def test_probabilities_are_those_of_the_graph(folder: Path) -> None:
    """What is computed beside the graph says what the graph says."""
    stored = ModelRepository(folder / "models").read(VersionId("colours", "1"))
    outputs = OnnxSession(stored.model, "cpu")(golden_pixels(stored.manifest))

    found = softmax(outputs.scores, stored.manifest.temperature)

    np.testing.assert_allclose(found, outputs.probabilities, atol=1e-6)
