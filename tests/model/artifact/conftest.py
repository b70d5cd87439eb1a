"""An empty repository, and models to fill it with."""

from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.model.artifact.tiny import TinyModel, tiny_model


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Name an empty repository."""
    return ModelRepository(tmp_path / "repository")


@pytest.fixture(scope="session")
def tiny_models() -> list[TinyModel]:
    """Write three models: alike in shape, unlike in weights."""
    return [tiny_model(seed) for seed in range(3)]


def publish(repository: ModelRepository, tiny: TinyModel, name: str = "colours") -> VersionId:
    """Publish a tiny model."""
    return repository.publish(name, tiny.model, tiny.manifest)
