"""Where a repository is, as text."""

from pathlib import Path

import pytest

from model.artifact.place import absolute, without_place
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError


@pytest.mark.parametrize("place", [".", "m", "/srv/models"])
def test_a_place_is_told_from_what_only_looks_like_it(place: str) -> None:
    """A full stop, a letter, and a longer path stay."""
    reason = f"m.onnx of model.1 in {place} is cut at /srv/models-old. {place}/a is not"

    found = without_place(reason, place)

    middle = "is cut at /srv/models-old."
    assert found == f"m.onnx of model.1 in the repository {middle} the repository/a is not"


def test_a_link_that_leads_in_a_circle_is_a_place(tmp_path: Path) -> None:
    """That nothing can be read there is said when it is read."""
    circle = tmp_path / "models"
    circle.symlink_to("models")

    assert absolute(str(circle)) == str(circle)
    with pytest.raises(RepositoryError, match="cannot be listed: Too many levels"):
        ModelRepository(circle).versions()
