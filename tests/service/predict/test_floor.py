"""A version that is less accurate on kept images than the one before it does not serve."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from model.artifact.holdout import HOLDOUT_FILE, Holdout, pack, unpack
from model.artifact.outputs import ContractError
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.app import create_app
from service.predict.floor import objection
from service.settings import Settings
from tests.service.fakes import FakeSession, fake_manifest
from tests.service.http.test_named_models import until
from tests.service.models import served

SIZE = 16
COLOURS = np.eye(3, dtype=np.uint8)[:, ::-1] * 200


def publish(repository: ModelRepository, number: int, right: int) -> VersionId:
    """Publish a version that keeps ten images, of which it gets so many right.

    Fakes name colours as they are, so what is wrong are the labels.
    """
    model = f"fake model {number}".encode()
    pixels = np.broadcast_to(COLOURS[np.arange(10) % 3, None, None], (10, SIZE, SIZE, 3))
    labels = ((np.arange(10) + (np.arange(10) >= right)) % 3).astype(np.uint16)
    content = pack(np.ascontiguousarray(pixels), labels)
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = fake_manifest(SIZE, model=model).model_copy(
        # What the version before gets right is taken from its manifest, not counted again.
        update={"holdout": Holdout(n=10, correct=10, sha256=sha256)}
    )
    return repository.publish("colours", model, manifest, {HOLDOUT_FILE: content})


@contextmanager
def serving(root: Path, points: float | None) -> Iterator[httpx.Client]:
    """Serve with a floor."""
    settings = Settings(
        repository=root, device="cpu", poll_interval_s=0.05, workers=1, floor_points=points
    )
    with served(create_app(settings, lambda _model, _threads: FakeSession())) as client:
        yield client


def state_of(client: httpx.Client, version: str) -> tuple[str, str | None]:
    """Say where a version is in its life, and why it was refused."""
    found = client.get("/models").json()["versions"]
    one = next(each for each in found if each["version"] == version)
    return one["state"], one.get("refused")


def test_too_many_wrong_answers_keep_a_version_from_serving(tmp_path: Path) -> None:
    """It is refused with the figures, the old one serves, and a later start does not forget it."""
    repository = ModelRepository(tmp_path)
    repository.activate(publish(repository, 1, right=7))
    with serving(tmp_path, points=20) as client:
        second = publish(repository, 2, right=10)
        repository.activate(second)
        until(lambda: state_of(client, "2")[0] == "refused")

        reason = state_of(client, "2")[1]
        assert reason == (
            "colours/2 gets 7 of 10 images right, which is 30.0 points fewer than 10 and over the "
            "limit of 20, of those that colours/1 kept"
        )
        assert state_of(client, "1")[0] == "serving"
    with serving(tmp_path, points=20) as client:
        assert client.get("/health/ready").json()["model"]["version"] == "1"
        repository.rollback()
        until(lambda: state_of(client, "2")[0] != "refused")
        assert state_of(client, "1")[0] == "serving"


@pytest.mark.parametrize("points", [None, 40.0])
def test_a_version_within_the_floor_serves(tmp_path: Path, points: float | None) -> None:
    """Also where no floor is set."""
    repository = ModelRepository(tmp_path)
    repository.activate(publish(repository, 1, right=7))
    with serving(tmp_path, points) as client:
        repository.activate(publish(repository, 2, right=10))

        until(lambda: state_of(client, "2")[0] == "serving")


def test_whoever_goes_back_does_so_on_purpose(tmp_path: Path) -> None:
    """An older version is not held against the newer one."""
    repository = ModelRepository(tmp_path)
    for number in (1, 2):
        repository.activate(publish(repository, number, right=5))
    with serving(tmp_path, points=0) as client:
        repository.activate(VersionId("colours", "1"))

        until(lambda: state_of(client, "1")[0] == "serving")


def test_the_limit_itself_is_allowed() -> None:
    """Beyond it the message says by how much."""
    before = Holdout(n=200, correct=180, sha256="0" * 64)

    assert objection(before, 176, 2) is None
    assert objection(before, 190, 0) is None
    assert str(objection(before, 175, 2)).startswith("gets 175 of 200 images right, which is 2.5")


def test_kept_images_come_back_as_they_went_in() -> None:
    """Bit for bit; and a file of another size is refused before anything is made of it."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 4, 6, 3), np.uint8)
    labels = rng.integers(0, 1000, 5).astype(np.uint16)

    content = pack(pixels, labels)
    again = unpack(content, 5, 4, 6)

    np.testing.assert_array_equal(again[0], pixels)
    np.testing.assert_array_equal(again[1], labels)
    with pytest.raises(ContractError, match=r"holdout.bin has 371 bytes, 5 images take 370"):
        unpack(content + b"0", 5, 4, 6)
