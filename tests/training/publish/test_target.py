"""Under what name a run is published."""

from pathlib import Path

import pytest

from model.artifact.version import RepositoryError
from training.publish.target import Publication, Target
from training.settings.data import DataSettings


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("cifar10:/data", "cifar10"),
        ("folder:/data/My Photos", "my-photos"),
        ("folder:/data/._", "model"),
        ("folder:/data/" + "x" * 99, "x" * 63),
    ],
)
def test_a_model_is_named_after_its_data(source: str, name: str) -> None:
    """The kind, or for a folder the folder, in characters that a version may have."""
    target = Publication(Path("models")).target(DataSettings(source=source))

    assert target == Target(Path("models"), name, activate=None)


def test_the_name_that_was_asked_for_wins() -> None:
    """Whatever the data."""
    asked = Publication(Path("models"), "mine", activate=False)

    assert asked.target(DataSettings(source="mnist:x")) == Target(
        Path("models"), "mine", activate=False
    )


def test_a_bad_name_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Not after an hour of training."""
    root = tmp_path / "models"

    with pytest.raises(RepositoryError, match="bad model name 'Bad/Name'"):
        Target(root, "Bad/Name", activate=True).check()

    assert not root.exists()
