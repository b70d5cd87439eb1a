"""An empty repository, and models to fill it with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.bucket import S3Server, s3_server
from tests.model.artifact.tiny import TinyModel, tiny_model


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Name an empty repository."""
    return ModelRepository(tmp_path / "repository")


@pytest.fixture(scope="session")
def tiny_models() -> list[TinyModel]:
    """Write three models: alike in shape, unlike in weights."""
    return [tiny_model(seed) for seed in range(3)]


@pytest.fixture(scope="module", name="server")
def running_server() -> Iterator[S3Server]:
    """Run an S3 server for these tests."""
    with s3_server() as server:
        yield server


def publish(repository: ModelRepository, tiny: TinyModel, name: str = "colours") -> VersionId:
    """Publish a tiny model."""
    return repository.publish(name, tiny.model, tiny.manifest)
