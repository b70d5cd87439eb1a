"""A version on trial behind a real server: drawn, compared, stopped, promoted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.artifact.image import Pixels
from model.artifact.labels import Canary
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.app import create_app
from service.client import Client
from service.settings import Settings
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, fake_manifest, fake_repository
from tests.service.http.test_named_models import until
from tests.service.models import served
from tests.trained import SmallModel

PICTURE = encoded(coloured("red", 1))


class Faulty(FakeSession):
    """A session that fails once it is told to."""

    def __init__(self) -> None:
        """Begin without fault, so that it passes the checks."""
        super().__init__(self._fail)
        self.is_broken = False

    def _fail(self, _: Pixels) -> None:
        if self.is_broken:
            message = "out of order"
            raise RuntimeError(message)


@contextmanager
def serving(root: Path, second: FakeSession | None = None) -> Iterator[httpx.Client]:
    """Serve a repository of fakes, the second version by a session of its own."""

    def open_session(model: bytes, _threads: int) -> FakeSession:
        is_second = second is not None and model.endswith(b"2")
        return second if is_second and second is not None else FakeSession()

    settings = Settings(repository=root, device="cpu", poll_interval_s=0.05, workers=1)
    with served(create_app(settings, open_session)) as client:
        yield client


def begin(repository: ModelRepository, **fields: Any) -> None:
    """Put the second version on trial."""
    given = {"version": "2", "percent": 100, "since": datetime.now(UTC), **fields}
    repository.begin_canary("colours", Canary(**given))


def asked(client: httpx.Client, **headers: str) -> str:
    """Say which version answers."""
    answer = client.post("/predict", content=PICTURE, headers=headers)
    assert answer.status_code == 200, answer.text
    version: str = answer.json()["model"]["version"]
    return version


def state(client: httpx.Client, version: str) -> str:
    """Say where a version is in its life."""
    found = client.get("/models").json()["versions"]
    word: str = next(each["state"] for each in found if each["version"] == version)
    return word


def failure(client: httpx.Client) -> str | None:
    """Say why the trial was stopped."""
    trials = client.get("/models").json()["trials"]
    return trials[0].get("failure") if trials else None


def ask_until_stopped(client: httpx.Client, ask: Callable[[httpx.Client], str]) -> None:
    """Ask, always answered by the active version, until the other one's faults end its trial."""

    def sent() -> bool:
        assert ask(client) == "1"
        return failure(client) is not None

    until(sent)
    assert "requests failed by its own fault" in str(failure(client))


def contrary(root: Path) -> ModelRepository:
    """Publish a second version that names other classes: the same scores, labels turned round."""
    repository = fake_repository(root)
    model = b"fake model 2"
    repository.publish(
        "colours", model, fake_manifest(labels=("red", "blue", "green"), model=model)
    )
    return repository


def test_a_part_of_the_callers_gets_the_version_on_trial(tmp_path: Path) -> None:
    """Each caller always the same one; and whoever names a version gets that."""
    repository = fake_repository(tmp_path, versions=2)
    begin(repository, percent=50)
    with serving(tmp_path) as client:
        until(lambda: state(client, "2") == "serving")

        by_caller = {
            n: {asked(client, **{"X-Routing-Key": str(n)}) for _ in range(3)} for n in range(20)
        }

        assert all(len(versions) == 1 for versions in by_caller.values())
        assert {"1", "2"} == set().union(*by_caller.values())
        assert {asked(client, **{"X-Model-Version": "1"}) for _ in range(10)} == {"1"}
        assert asked(client, **{"X-Model-Version": "canary"}) == "2"
        assert asked(client, **{"X-Model-Version": "stable"}) == "1"


def test_the_client_sends_its_routing_key(tmp_path: Path) -> None:
    """With the same one the same version answers, whatever letters it has."""
    repository = fake_repository(tmp_path, versions=2)
    begin(repository, percent=50)
    with serving(tmp_path) as http:
        until(lambda: state(http, "2") == "serving")
        with Client(str(http.base_url)) as client:
            by_caller = {
                n: {client.predict(PICTURE, routing_key=f"Zoë {n}").model.version for _ in range(3)}
                for n in range(20)
            }

    assert all(len(versions) == 1 for versions in by_caller.values())
    assert {"1", "2"} == set().union(*by_caller.values())


def test_labels_stand_in_the_path(tmp_path: Path) -> None:
    """A label is seen once it is set, and one that names nothing is a 404."""
    repository = fake_repository(tmp_path, versions=2)
    with serving(tmp_path) as client:
        path = "/models/colours/labels/night/predict"
        missing = client.post(path, content=PICTURE)
        repository.set_label(VersionId("colours", "2"), "night")
        found = client.post(path, content=PICTURE)

        assert missing.status_code == 404
        assert "no version of 'colours' has the label 'night'" in missing.json()["detail"]
        assert found.json()["model"] == {"name": "colours", "version": "2"}
        listed = client.get("/models").json()["versions"]
        assert [each["aliases"] for each in listed] == [["stable"], ["night"]]
        assert [each["state"] for each in listed] == ["serving", "ready"]


@pytest.mark.parametrize("version", ["", "../1", "0", "Night", "x" * 70, "night/1", "%2e"])
def test_no_other_word_names_a_version(tmp_path: Path, version: str) -> None:
    """Neither in the header nor in the path."""
    fake_repository(tmp_path)
    with serving(tmp_path) as client:
        named = {"X-Model-Version": version or "."}  # an empty header counts as left out
        by_header = client.post("/predict", content=PICTURE, headers=named)
        by_path = client.post(f"/models/colours/labels/{version}/predict", content=PICTURE)

    assert by_header.status_code == 404
    assert by_path.status_code == 404


def test_in_the_shadow_nobody_is_answered_by_it(tmp_path: Path) -> None:
    """It runs beside, its disagreement is counted, and beyond the limit the trial ends."""
    repository = contrary(tmp_path)
    begin(repository, shadow=True, max_disagreement=0.1)
    with serving(tmp_path) as client:
        until(lambda: state(client, "2") == "ready")

        def sent() -> str | None:
            assert asked(client) == "1"
            return failure(client)

        until(sent)

        numbers = client.get("/metrics").text
        reason = failure(client)
        until(lambda: repository.state().models["colours"].canary is None)  # type: ignore[union-attr]
    assert reason is not None
    assert "it names another class than the active version" in reason
    assert 'goodserve_trial_images_total{name="colours",outcome="differed",version="2"}' in numbers
    stopped = repository.state().models["colours"].stopped  # type: ignore[union-attr]
    assert stopped is not None
    assert stopped.reason == reason


def test_who_is_drawn_for_a_faulty_version_is_answered_all_the_same(tmp_path: Path) -> None:
    """By the active one; and the trial ends by itself."""
    repository, second = fake_repository(tmp_path, versions=2), Faulty()
    begin(repository)
    with serving(tmp_path, second) as client:
        until(lambda: state(client, "2") == "serving")
        assert asked(client) == "2"
        second.is_broken = True
        ask_until_stopped(client, asked)
        second.is_broken = False
        assert asked(client) == "1"


def test_a_trial_is_stopped_where_the_repository_may_not_be_written(
    tmp_path: Path,
) -> None:
    """The process that found the version bad gives it nobody any more."""
    repository = contrary(tmp_path)
    begin(repository, max_disagreement=0.1)
    # A folder in its place: root may write a folder that is read-only.
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").mkdir()
    with serving(tmp_path) as client:
        until(lambda: state(client, "2") == "serving")
        until(lambda: asked(client) == "1")

        assert failure(client) is not None
        assert state(client, "2") == "ready"


def test_a_version_that_is_refused_ends_its_trial(tmp_path: Path) -> None:
    """It is known why, and the active one goes on."""
    repository = fake_repository(tmp_path, versions=2)
    begin(repository)
    path = tmp_path / "colours" / "2" / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"something else")
    with serving(tmp_path) as client:
        until(lambda: failure(client))

        assert "colours/2 is corrupt" in str(failure(client))
        assert asked(client) == "1"
        assert state(client, "2") == "refused"


def test_what_passes_ends_no_trial(tmp_path: Path) -> None:
    """One machine of many may be short of memory for a while: all the others go on trying."""
    repository = fake_repository(tmp_path, versions=2)
    is_short = [True]

    def open_session(model: bytes, _threads: int) -> FakeSession:
        if is_short[0] and model.endswith(b"2"):
            raise MemoryError
        return FakeSession()

    settings = Settings(repository=tmp_path, device="cpu", poll_interval_s=0.05, workers=1)
    with served(create_app(settings, open_session)) as client:
        begin(repository, percent=100)
        until(lambda: state(client, "2") == "refused")
        assert failure(client) is None
        is_short[0] = False
        until(lambda: asked(client) == "2")

    kept = repository.state()
    assert kept is not None
    canary = kept.models["colours"].canary
    assert canary is not None
    assert kept.models["colours"].stopped is None


def test_promoting_makes_it_everybodys(tmp_path: Path) -> None:
    """And the trial has ended."""
    repository = fake_repository(tmp_path, versions=2)
    begin(repository, percent=1)
    with serving(tmp_path) as client:
        until(lambda: state(client, "2") == "serving")
        repository.promote()

        until(lambda: asked(client) == "2")

        assert client.get("/models").json()["trials"] == []


def test_real_models_agree_with_themselves(tmp_path: Path, small_models: list[SmallModel]) -> None:
    """The same network published twice differs on no image."""
    repository = ModelRepository(tmp_path)
    for _ in range(2):
        repository.publish("colours", *small_models[0].published)
    repository.activate(VersionId("colours", "1"))
    begin(repository, shadow=True, max_disagreement=0.001)
    pictures = [encoded(coloured("green", seed)) for seed in range(8)]
    settings = Settings(repository=tmp_path, device="cpu", poll_interval_s=0.05, workers=1)
    agreed = 'goodserve_trial_images_total{name="colours",outcome="agreed",version="2"}'
    with served(create_app(settings)) as client:
        until(lambda: state(client, "2") == "ready")
        for picture in pictures:
            assert client.post("/predict", content=picture).status_code == 200
        until(lambda: f"{agreed} " in client.get("/metrics").text)

        assert failure(client) is None
        assert state(client, "2") == "ready"
