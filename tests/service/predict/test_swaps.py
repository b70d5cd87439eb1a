"""Hot swap: good versions are taken, bad ones refused while the old one serves."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.artifact.outputs import input_spec
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.pictures import coloured, encoded
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel, train_small_model

PICTURE = encoded(coloured("red", 1))


def until(condition: Callable[[], Any], seconds: float = 120) -> None:
    """Wait until something holds: on a machine that others use, for long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def version(client: httpx.Client) -> str:
    """Ask which version answers."""
    answer = client.post("/predict", content=PICTURE)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"]["version"])


def force_active(repository: ModelRepository, version: str) -> None:
    """Write `active.json` by hand, past the checks that activating makes."""
    aside = repository.root / "aside"
    aside.write_text(json.dumps({"active": version}))
    aside.replace(repository.root / "active.json")


def test_activated_versions_are_served_within_a_second(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """Forward, and back again by rollback."""
    repository = filled_repository(tmp_path, small_models)

    with served(app_on(tmp_path)) as client:
        assert version(client) == "1"
        repository.activate(VersionId("colours", "3"))
        until(lambda: version(client) == "3")
        repository.rollback()
        until(lambda: version(client) == "1")
        metrics = client.get("/metrics").text

    assert 'goodserve_swaps_total{result="loaded"} 3.0' in metrics
    assert 'goodserve_active_version{name="colours",version="1"} 1.0' in metrics
    assert 'goodserve_active_version{name="colours",version="3"}' not in metrics


def test_a_first_version_is_taken_by_a_waiting_service(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """A service on an empty repository begins to answer when something is published."""
    with served(app_on(tmp_path)) as client:
        assert client.get("/health/ready").status_code == 503
        filled_repository(tmp_path, small_models[:1])
        until(lambda: client.get("/health/ready").status_code == 200)
        assert version(client) == "1"


def test_another_input_size_loses_no_request(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """A version that takes larger images is swapped in while clients go on sending."""
    larger = train_small_model(tmp_path, seed=0, image_size=20)
    repository = filled_repository(tmp_path / "repository", [small_models[0], larger])

    with served(app_on(repository.root)) as client:
        repository.activate(VersionId("colours", "2"))
        seen = [version(client) for _ in range(300)]
        until(lambda: version(client) == "2")

    assert seen[0] == "1"


def rewrite(folder: Path, **changes: Any) -> None:
    """Change fields of a version's manifest."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    path.chmod(0o644)
    path.write_text(json.dumps(manifest))


def corrupt_model(folder: Path, _: list[SmallModel]) -> None:
    """Flip a byte."""
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(content)


def wrong_hash(folder: Path, _: list[SmallModel]) -> None:
    """Name another hash."""
    rewrite(folder, model_sha256="0" * 64)


def no_model_at_all(folder: Path, _: list[SmallModel]) -> None:
    """Put text in the model's place, with its right hash."""
    import hashlib  # noqa: PLC0415

    (folder / "model.onnx").unlink()
    (folder / "model.onnx").write_bytes(b"this is no model")
    rewrite(folder, model_sha256=hashlib.sha256(b"this is no model").hexdigest())


def other_weights(folder: Path, small_models: list[SmallModel]) -> None:
    """Put another model in its place, with its right hash: only golden inputs tell."""
    other = small_models[2]
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").write_bytes(other.model)
    rewrite(folder, model_sha256=other.manifest.model_sha256)


def wrong_input_size(folder: Path, _: list[SmallModel]) -> None:
    """Say in the manifest, consistently, that images are larger than the graph takes them."""
    spec = input_spec(24, 24).model_dump(mode="json")
    rewrite(folder, image_height=24, image_width=24, input=spec)


def half_written(folder: Path, _: list[SmallModel]) -> None:
    """Take the manifest away, as if writing had stopped before it."""
    (folder / "manifest.json").unlink()


def missing(folder: Path, _: list[SmallModel]) -> None:
    """Take the whole version away."""
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (corrupt_model, "colours/2 is corrupt"),
        (wrong_hash, "colours/2 is corrupt"),
        (no_model_at_all, "onnxruntime cannot load the model"),
        (other_weights, "golden inputs do not reproduce"),
        (wrong_input_size, "the model has ('images', 'uint8', ('N', 16, 16, 3))"),
        (half_written, "colours/2 is incomplete: manifest.json"),
        (missing, "there is no version colours/2"),
    ],
)
def test_a_bad_version_is_refused_and_the_old_one_serves(
    small_models: list[SmallModel],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path, list[SmallModel]], None],
    reason: str,
) -> None:
    """Readiness and the log say why; a good version is still taken afterwards."""
    repository = filled_repository(tmp_path, small_models)
    damage(tmp_path / "colours" / "2", small_models)

    with served(app_on(tmp_path)) as client:
        force_active(repository, "colours/2")
        until(lambda: "refused" in client.get("/health/ready").json())
        ready = client.get("/health/ready")
        assert version(client) == "1"
        repository.activate(VersionId("colours", "3"))
        until(lambda: version(client) == "3")
        healed = client.get("/health/ready").json()

    assert ready.status_code == 200
    assert ready.json()["model"]["version"] == "1"
    assert ready.json()["refused"]["version"] == "colours/2"
    assert reason in ready.json()["refused"]["reason"]
    assert "refused" not in healed
    (record,) = [r for r in caplog.records if r.getMessage().startswith("refused")]
    assert reason in record.getMessage()
    assert "colours/1 goes on serving" in record.getMessage()


def test_a_damaged_active_file_changes_nothing(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """Garbage in active.json is reported, and the old version serves."""
    filled_repository(tmp_path, small_models)

    with served(app_on(tmp_path)) as client:
        (tmp_path / "active.json").write_text("{")
        until(lambda: "refused" in client.get("/health/ready").json())
        refused = client.get("/health/ready").json()["refused"]
        assert version(client) == "1"

    assert refused["version"] == "active.json"


def test_a_version_that_is_mended_is_tried_again(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """Half-written when activated, whole later: the service takes it without being told."""
    repository = filled_repository(tmp_path, small_models)
    manifest = tmp_path / "colours" / "2" / "manifest.json"
    content = manifest.read_bytes()
    manifest.unlink()

    with served(app_on(tmp_path)) as client:
        force_active(repository, "colours/2")
        until(lambda: "refused" in client.get("/health/ready").json())
        manifest.write_bytes(content)
        until(lambda: version(client) == "2")


def test_a_service_that_starts_on_a_bad_version_says_why(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """There is no old one to serve then: 503, with the reason, and no crash."""
    repository = filled_repository(tmp_path, small_models)
    corrupt_model(tmp_path / "colours" / "1", small_models)

    with served(app_on(tmp_path)) as client:
        ready, answer = client.get("/health/ready"), client.post("/predict", content=PICTURE)
        repository.activate(VersionId("colours", "2"))
        until(lambda: client.get("/health/ready").status_code == 200)
        assert version(client) == "2"

    assert (ready.status_code, answer.status_code) == (503, 503)
    assert "is corrupt" in ready.json()["refused"]["reason"]
    assert "is corrupt" in answer.json()["detail"]


def test_only_the_manifests_own_labels_are_told(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """Labels come from the version that answered, not from another."""
    repository = filled_repository(tmp_path, small_models[:1])
    labels = ("azure", "lime", "scarlet")
    renamed = small_models[0].manifest.model_copy(update={"labels": labels})
    small = dataclasses.replace(small_models[0], manifest=renamed)
    repository.publish("colours", *small.published)

    with served(app_on(tmp_path)) as client:
        repository.activate(VersionId("colours", "2"))
        until(lambda: version(client) == "2")
        label = client.post("/predict", content=PICTURE).json()["predictions"][0]["label"]

    assert label == "scarlet"
