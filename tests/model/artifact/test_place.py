"""Where a repository is, as text."""

import pytest

from model.artifact.place import without_place


@pytest.mark.parametrize("place", [".", "m", "/srv/models"])
def test_a_place_is_told_from_what_only_looks_like_it(place: str) -> None:
    """A full stop, a letter, and a longer path stay."""
    reason = f"m.onnx of model.1 in {place} is cut at /srv/models-old. {place}/a is not"

    found = without_place(reason, place)

    middle = "is cut at /srv/models-old."
    assert found == f"m.onnx of model.1 in the repository {middle} the repository/a is not"
