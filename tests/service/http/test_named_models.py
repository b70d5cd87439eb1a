"""Several models in one repository, each under its own name, behind a real server."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.pictures import coloured, encoded
from tests.service.models import app_on, served
from tests.trained import SmallModel

PICTURE = encoded(coloured("red", 1))


@pytest.fixture
def repository(tmp_path: Path, small_models: list[SmallModel]) -> ModelRepository:
    """Publish two versions of two models, and activate the first of each: a is the default."""
    repository = ModelRepository(tmp_path)
    for name in "ab":
        for small in small_models[:2]:
            repository.publish(name, *small.published)
        repository.activate(VersionId(name, "1"))
    return repository


@pytest.fixture
def client(repository: ModelRepository) -> Iterator[httpx.Client]:
    """Serve it."""
    with served(app_on(repository.root)) as client:
        yield client


def answered(client: httpx.Client, path: str) -> str:
    """Say which version answers."""
    answer = client.post(path, content=PICTURE)
    assert answer.status_code == 200, answer.text
    found = answer.json()["model"]
    return f"{found['name']}/{found['version']}"


def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_repository_that_cannot_be_read_is_told_to_the_log_alone(
    client: httpx.Client, repository: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """What is loaded answers on; the rest is a 503 that does not tell where the models lie."""
    assert answered(client, "/predict") == "a/1"
    (repository.root / "active.json").write_text("{")

    for path in ("/models/b/predict", "/models/b/labels/night/predict"):
        answer = client.post(path, content=PICTURE)
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("not-ready")
        assert "Retry-After" in answer.headers
        assert str(repository.root) not in answer.text
        assert "active.json" not in answer.text
    assert answered(client, "/predict") == "a/1"
    assert "models cannot be looked up: active.json cannot be read" in caplog.text


def test_a_repository_that_is_away_has_not_lost_its_models(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """Moved away, what was not loaded is a 503 and no 404; back again, it answers."""
    assert answered(client, "/predict") == "a/1"
    away = repository.root.rename(repository.root.with_name("away"))

    cold = [
        client.post(path, content=PICTURE).status_code
        for path in ("/models/b/predict", "/models/b/versions/2/predict")
    ]
    warm = answered(client, "/predict")
    away.rename(repository.root)

    assert cold == [503, 503]
    assert warm == "a/1"
    assert answered(client, "/models/b/versions/2/predict") == "b/2"


def test_a_name_and_a_version_are_named_by_the_path(client: httpx.Client) -> None:
    """Without a name the default model answers; a version need not be active."""
    assert answered(client, "/predict") == "a/1"
    assert answered(client, "/models/a/predict") == "a/1"
    assert answered(client, "/models/b/predict?explain=true") == "b/1"
    assert answered(client, "/models/b/versions/2/predict") == "b/2"
    assert answered(client, "/models/b/predict") == "b/1"
    assert answered(client, "/models/a/versions/2/explain") == "a/2"


def test_activating_one_model_changes_no_other(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """Publishing and activating b leaves `/predict` alone, and the other way round."""
    assert answered(client, "/models/b/predict") == "b/1"

    repository.activate(VersionId("b", "2"))

    until(lambda: answered(client, "/models/b/predict") == "b/2")
    assert answered(client, "/predict") == "a/1"
    repository.rollback("b")
    until(lambda: answered(client, "/models/b/predict") == "b/1")
    metrics = client.get("/metrics").text
    assert 'goodserve_active_version{name="a",version="1"} 1.0' in metrics
    assert 'goodserve_active_version{name="b",version="1"} 1.0' in metrics
    assert 'goodserve_active_version{name="b",version="2"}' not in metrics


def test_another_default_and_a_model_that_goes(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """The default changes when the new one is loaded; what is deactivated is not found."""
    repository.make_default("b")
    until(lambda: answered(client, "/predict") == "b/1")

    repository.deactivate("a")

    until(lambda: client.post("/models/a/predict", content=PICTURE).status_code == 404)
    assert answered(client, "/models/a/versions/1/predict") == "a/1"
    assert answered(client, "/predict") == "b/1"


def test_what_is_not_there_is_404(client: httpx.Client) -> None:
    """An unknown name, an unknown version, and names that try to leave the repository."""
    for path in (
        "/models/letters/predict",
        "/models/b/versions/9/predict",
        "/models/..%2f..%2fetc/predict",
        "/models/b/versions/..%2f1/predict",
        "/models/b/versions/01/explain",
    ):
        answer = client.post(path, content=PICTURE)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_bad_model_blocks_no_other(client: httpx.Client, repository: ModelRepository) -> None:
    """It is refused with its reason, and asked for again it is not loaded again.

    It was not to serve: who names it alarms nobody.
    """
    path = repository.root / "b" / "2" / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"not a model")

    answers = [client.post("/models/b/versions/2/predict", content=PICTURE) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [409] * 3
    assert "b/2 is corrupt" in answers[0].json()["detail"]
    assert answered(client, "/models/b/predict") == "b/1"
    assert answered(client, "/predict") == "a/1"
    metrics = client.get("/metrics").text
    assert 'goodserve_swaps_total{result="refused"} 1.0' in metrics
    assert "goodserve_refused_version{" not in metrics
    assert "refused" not in client.get("/health/ready").json()
    seconds = "goodserve_request_duration_seconds_count"
    assert f'{seconds}{{name="b",outcome="client_error"}} 0.0' in metrics
    assert f'{seconds}{{name="b",outcome="ok"}} 1.0' in metrics
    assert f'{seconds}{{name="",outcome="client_error"}} 3.0' in metrics


def test_many_who_name_a_cold_model_load_it_once(client: httpx.Client) -> None:
    """Sixteen at once: all are answered, and one load is counted."""
    found: list[str] = []
    ask = threading.Barrier(16)

    def send() -> None:
        ask.wait()
        found.append(answered(client, "/models/b/predict"))

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["b/1"] * 16
    assert 'goodserve_swaps_total{result="loaded"} 2.0' in client.get("/metrics").text


def test_models_tells_what_is_active_and_loaded(client: httpx.Client) -> None:
    """A cold model is active, and loaded once somebody has named it."""
    before = client.get("/models").json()
    answered(client, "/models/b/predict")
    after = client.get("/models").json()

    assert before["serving"] == {"name": "a", "version": "1"}
    assert [each["name"] for each in before["loaded"]] == ["a"]
    assert [each["name"] for each in after["loaded"]] == ["a", "b"]
    active = [(v["name"], v["version"]) for v in before["versions"] if v["is_active"]]
    assert active == [("a", "1"), ("b", "1")]
