"""When a new version does not serve unless somebody says so."""

from pathlib import Path

import pytest

from model.artifact.manifest import Accuracy, Manifest
from model.artifact.repository import ModelRepository
from tests.trained import SmallModel
from training.__main__ import main
from training.publish.caution import objection


def manifest(small: SmallModel, accuracy: float | None, *labels: str) -> Manifest:
    """Give a manifest of another accuracy on 1,000 images, and of other labels if named."""
    found = None if accuracy is None else Accuracy(value=accuracy, n=1000, per_class=(None,) * 3)
    return small.manifest.model_copy(
        update={"accuracy": found, "labels": labels or small.manifest.labels}
    )


@pytest.mark.parametrize(
    ("old", "new", "objected"),
    [
        (0.8, 0.9, False),
        (0.8, 0.79, False),
        (0.8, 0.74, True),
        (None, 0.1, False),
        (0.9, None, False),
    ],
)
def test_a_fall_in_accuracy_is_an_objection(
    old: float | None,
    new: float | None,
    objected: bool,  # noqa: FBT001
    small_models: list[SmallModel],
) -> None:
    """Beyond two standard errors, and where both were tested."""
    found = objection(manifest(small_models[0], new), manifest(small_models[0], old))

    assert (found is not None) == objected
    if found is not None:
        assert "it is less accurate (74.00%, n = 1000; the active one 80.00%" in found


def test_other_classes_are_an_objection(small_models: list[SmallModel]) -> None:
    """Named, and also where only their order differs."""
    old = manifest(small_models[0], 0.5, "blue", "green", "red")

    other = objection(manifest(small_models[0], 0.9, "blue", "green", "pink"), old)
    order = objection(manifest(small_models[0], 0.9, "green", "blue", "red"), old)

    assert other == "it has other classes (without red, with pink)"
    assert order == "it has other classes (in another order)"


def test_publishing_warns_and_does_not_activate(
    small_models: list[SmallModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until `--activate` says so; another name is not compared, and is not the default."""
    small = small_models[0]
    repository = ModelRepository(tmp_path)
    sure = Accuracy(value=1.0, n=10_000, per_class=(None,) * 3)
    better = small.manifest.model_copy(update={"accuracy": sure, "labels": ("a", "b", "c")})
    repository.activate(repository.publish("colours", small.model, better, small.graphs))
    publish = ["publish", "--run", str(small.run), "--repository", str(tmp_path), "--name"]

    assert main([*publish, "colours"]) == 0

    said = capsys.readouterr()
    assert "warning: colours/2 is not active: it has other classes" in said.err
    assert "to serve it: goodserve models activate colours/2" in said.out
    assert str(repository.active()) == "colours/1"
    assert main([*publish, "colours", "--activate"]) == 0
    assert str(repository.active()) == "colours/3"
    assert main([*publish, "mine"]) == 0
    assert "it answers at /models/mine/predict" in capsys.readouterr().out
    assert str(repository.active("mine")) == "mine/1"
    assert str(repository.active()) == "colours/3"
