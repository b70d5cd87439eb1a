"""What training really exports keeps the contract; the other tests here write tiny models."""

import pytest

from model.artifact.checks import check_answers
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession
from tests.trained import SmallModel


def test_manifest_says_what_was_trained(small_models: list[SmallModel]) -> None:
    """Labels, layers, accuracy with n, settings and golden inputs are all there."""
    manifest = small_models[0].manifest

    assert manifest.labels == ("blue", "green", "red")
    assert [layer.name for layer in manifest.layers] == ["stem", "block2"]
    assert sum(layer.weight for layer in manifest.layers) == pytest.approx(1)
    assert manifest.accuracy is not None
    assert manifest.accuracy.n > 0
    assert "data" in manifest.training
    assert len(manifest.golden) == 4


def test_an_export_is_published_read_and_checked(
    repository: ModelRepository, small_models: list[SmallModel]
) -> None:
    """A version goes from training through the repository to a session that reproduces it."""
    published = repository.publish("colours", *small_models[0].published)

    stored = repository.read(published)
    session = OnnxSession(stored.model, "cpu")

    session.check(stored.manifest)
    check_answers(stored.manifest, session)
