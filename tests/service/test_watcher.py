"""The watcher: what it tries, what it leaves alone, and when it tries again."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import Outputs
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.registry import LoadedModel, Registry
from service.watcher import RETRY_S, Watcher
from tests.service.models import filled_repository
from tests.trained import SmallModel


class FakeSession:
    """A session that is never run."""

    def check(self, manifest: Manifest) -> None:
        """Agree."""

    def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        """Fail."""
        raise NotImplementedError


class FlakyLoader:
    """Loads a version, or fails as long as it is told to."""

    def __init__(self, repository: ModelRepository) -> None:
        """Begin out of memory."""
        self.error: Exception | None = RuntimeError("out of memory")
        self.attempts = 0
        self._repository = repository

    def __call__(self, wanted: VersionId) -> LoadedModel:
        """Load or fail."""
        self.attempts += 1
        if self.error is not None:
            raise self.error
        return LoadedModel(wanted, self._repository.manifest(wanted), FakeSession())


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_what_passes_without_changing_the_files_is_tried_again(
    small_models: list[SmallModel], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full GPU empties: not at every look, but every half minute, and logged once."""
    repository = filled_repository(tmp_path, small_models[:1])
    loader, clock = FlakyLoader(repository), Clock()
    registry, swaps = Registry(loader), list[bool]()
    watcher = Watcher(repository, registry, swaps.append, clock)

    for _ in range(10):
        watcher.look()
    assert loader.attempts == 1
    clock.now = RETRY_S
    watcher.look()
    assert loader.attempts == 2
    loader.error = None
    clock.now = 2 * RETRY_S
    watcher.look()

    assert registry.active is not None
    assert registry.refusal is None
    assert swaps == [False, False, True]
    refusals = [r for r in caplog.records if r.getMessage().startswith("refused")]
    assert len(refusals) == 1


def test_a_change_of_permissions_is_a_change(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """What was refused is tried again at once when its files' modes change."""
    repository = filled_repository(tmp_path, small_models[:1])
    loader = FlakyLoader(repository)
    watcher = Watcher(repository, Registry(loader), lambda _: None, Clock())
    watcher.look()

    (tmp_path / "colours" / "1" / "model.onnx").chmod(0o640)
    watcher.look()

    assert loader.attempts == 2
