"""An empty repository, and how to fill it."""

from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.trained import SmallModel


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Name an empty repository."""
    return ModelRepository(tmp_path / "repository")


def publish(repository: ModelRepository, small: SmallModel, name: str = "colours") -> VersionId:
    """Publish a small model."""
    return repository.publish(name, small.model, small.manifest)
