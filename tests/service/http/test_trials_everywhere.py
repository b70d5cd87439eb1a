"""A version on trial is drawn alike by every endpoint, on the bundled model and on fakes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository, StoredVersion
from model.artifact.version import VersionId
from service.client import Client
from tests.pictures import coloured, encoded
from tests.service.fakes import fake_manifest, fake_repository
from tests.service.http.test_named_models import until
from tests.service.http.test_trials import (
    Faulty,
    ask_until_stopped,
    asked,
    begin,
    failure,
    serving,
    state,
)
from tests.service.http.v2.bodies import INFER, PIXELS, file_input, pixel_input, texts
from tests.service.models import app_on, served

PICTURE = encoded(coloured("red", 1))
FILE = {"inputs": [file_input([PICTURE], data=texts([PICTURE]))]}
PINNED = "/models/colours/versions/1"
ENOUGH = 20  # outcomes before there is a verdict


def by_predict(client: httpx.Client, path: str = "/predict", **headers: str) -> str:
    """Say which version classifies."""
    answer = client.post(path, content=PICTURE, headers=headers)
    return str(answer.json()["model"]["version"])


def by_explain(client: httpx.Client, path: str = "/explain", **headers: str) -> str:
    """Say which version takes scores apart."""
    return by_predict(client, path, **headers)


def by_drawing(client: httpx.Client, path: str = "/explain", **headers: str) -> str:
    """Say whose evidence is drawn."""
    answer = client.post(path, content=PICTURE, headers={"Accept": "image/png", **headers})
    assert answer.headers["Content-Type"] == "image/png"
    return answer.headers["X-Model-Version"]


def by_infer(client: httpx.Client, path: str = INFER, **headers: str) -> str:
    """Say which version answers by the Open Inference Protocol."""
    return str(client.post(path, json=FILE, headers=headers).json()["model_version"])


def by_evidence(client: httpx.Client, path: str = INFER, **headers: str) -> str:
    """Say which version gives evidence by the Open Inference Protocol."""
    body = {**FILE, "outputs": [{"name": "labels"}, {"name": "evidence"}]}
    return str(client.post(path, json=body, headers=headers).json()["model_version"])


EVERY = [by_predict, by_explain, by_drawing, by_infer, by_evidence]
PATHS = {"by_infer": "/v2{}/infer", "by_evidence": "/v2{}/infer", "by_predict": "{}/predict"}


@pytest.fixture(scope="module")
def bundled() -> StoredVersion:
    """Read the bundled model's active version, which has evidence."""
    repository = ModelRepository(BUNDLED_REPOSITORY)
    active = repository.active()
    assert active is not None
    return repository.read(active)


def publish(repository: ModelRepository, stored: StoredVersion, *, evidence: bool = True) -> None:
    """Publish it anew, with its evidence or without."""
    bare = {} if evidence else {"evidence": None}
    manifest = stored.manifest.model_copy(update=bare)
    graphs = {name: stored.graphs[name] for name in manifest.graphs}
    repository.publish("colours", stored.model, manifest, graphs)


@contextmanager
def trying(
    root: Path,
    stored: StoredVersion,
    *,
    evidence: tuple[bool, bool] = (True, True),
    **fields: object,
) -> Iterator[httpx.Client]:
    """Serve the bundled model twice, the second one on trial."""
    repository = ModelRepository(root)
    for each in evidence:
        publish(repository, stored, evidence=each)
    repository.activate(VersionId("colours", "1"))
    begin(repository, **fields)
    with served(app_on(root, workers=1)) as client:
        until(lambda: state(client, "2") in ("serving", "ready"))
        yield client


def counted(client: httpx.Client, series: str) -> float:
    """Read one series of the metrics; 0 where there is none."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} "))


def test_one_caller_gets_one_version_everywhere(tmp_path: Path, bundled: StoredVersion) -> None:
    """Whatever is asked for; of twenty callers some get the one on trial and some the other."""
    with trying(tmp_path, bundled, percent=50) as client:
        by_caller = {
            key: {ask(client, **{"X-Routing-Key": key}) for ask in EVERY}
            for key in map(str, range(20))
        }

    assert all(len(versions) == 1 for versions in by_caller.values()), by_caller
    assert {"1", "2"} == set().union(*by_caller.values())


def test_an_empty_key_is_none(tmp_path: Path, bundled: StoredVersion) -> None:
    """A proxy that sets it empty does not make all strangers one caller."""
    with trying(tmp_path, bundled, percent=50) as client:
        versions = {ask(client, **{"X-Routing-Key": ""}) for _ in range(8) for ask in EVERY}

    assert versions == {"1", "2"}


def test_the_whole_share_is_everybody_but_those_who_name_a_version(
    tmp_path: Path, bundled: StoredVersion
) -> None:
    """By path, by header or by label."""
    with trying(tmp_path, bundled, percent=100) as client:
        for ask in EVERY:
            path = PATHS.get(ask.__name__, "{}/explain")

            assert {ask(client) for _ in range(5)} == {"2"}
            assert ask(client, path.format("/models/colours")) == "2"
            assert ask(client, path.format(PINNED)) == "1"
            assert ask(client, **{"X-Model-Version": "1"}) == "1"
            assert ask(client, **{"X-Model-Version": "stable", "X-Routing-Key": "7"}) == "1"


def test_no_share_is_nobody(tmp_path: Path, bundled: StoredVersion) -> None:
    """With a key or without."""
    with trying(tmp_path, bundled, percent=0) as client:
        for ask in EVERY:
            assert {ask(client) for _ in range(5)} == {"1"}
            assert ask(client, **{"X-Routing-Key": "7"}) == "1"


def test_without_a_key_chance_draws(tmp_path: Path, bundled: StoredVersion) -> None:
    """Of forty requests at one half, all to one version come once in 5e11 times."""
    with trying(tmp_path, bundled, percent=50) as client:
        assert {by_infer(client) for _ in range(40)} == {"1", "2"}
        assert {by_explain(client) for _ in range(40)} == {"1", "2"}


def test_the_python_client_explains_what_it_was_answered(
    tmp_path: Path, bundled: StoredVersion
) -> None:
    """With one routing key, one version classifies an image and takes its scores apart."""
    with trying(tmp_path, bundled, percent=50) as http, Client(str(http.base_url)) as client:
        for key in map(str, range(10)):
            version = client.predict(PICTURE, routing_key=key).model
            assert client.explain(PICTURE, routing_key=key).model == version
            (many,) = client.explain_many([PICTURE], routing_key=key)
            assert many.model == version


@pytest.mark.parametrize("ask", [by_explain, by_drawing, by_infer, by_evidence])
def test_every_endpoint_is_compared(
    tmp_path: Path, bundled: StoredVersion, ask: Callable[[httpx.Client], str]
) -> None:
    """In the shadow the other version classifies the same images, and here agrees with itself."""
    agreed = 'goodserve_trial_images_total{name="colours",outcome="agreed",version="2"}'
    with trying(tmp_path, bundled, shadow=True, max_disagreement=0.01) as client:
        assert {ask(client) for _ in range(3)} == {"1"}

        until(lambda: counted(client, agreed) == 3)

        assert failure(client) is None


def test_who_asks_for_evidence_that_the_one_on_trial_lacks_gets_the_other_s(
    tmp_path: Path, bundled: StoredVersion
) -> None:
    """That counts as a fault, and ends the trial; what it can answer it answers until then."""
    with trying(tmp_path, bundled, evidence=(True, False), percent=100) as client:
        assert by_infer(client) == "2"
        for ask in (by_explain, by_drawing, by_evidence):
            assert ask(client) == "1"
        for _ in range(ENOUGH):
            assert by_explain(client) == "1"

        until(lambda: failure(client))
        assert "requests failed by its own fault" in str(failure(client))
        assert by_infer(client) == "1"


def test_what_neither_version_can_do_is_no_fault(tmp_path: Path, bundled: StoredVersion) -> None:
    """The caller is told, and the trial goes on."""
    with trying(tmp_path, bundled, evidence=(False, False), percent=100) as client:
        for _ in range(ENOUGH + 5):
            answer = client.post("/explain", content=PICTURE)
            assert (answer.status_code, answer.json()["type"]) == (
                409,
                "urn:goodserve:problem:no-evidence",
            )
            assert "colours/2 has no graph" in answer.json()["detail"]
            unknown = client.post("/explain?classes=unicorn", content=PICTURE)
            assert unknown.status_code == 422

        assert by_infer(client) == "2"
        assert failure(client) is None


def test_who_is_drawn_for_a_faulty_version_is_answered_by_infer_too(tmp_path: Path) -> None:
    """By the active one; and the trial ends by itself."""
    repository, second = fake_repository(tmp_path, versions=2), Faulty()
    begin(repository)
    with serving(tmp_path, second) as client:
        until(lambda: state(client, "2") == "serving")
        assert by_infer(client) == "2"
        second.is_broken = True
        ask_until_stopped(client, by_infer)


def test_pixels_that_only_the_active_version_takes_are_answered_by_it(tmp_path: Path) -> None:
    """A version on trial of another image size is tried by files alone."""
    repository, model = fake_repository(tmp_path), b"fake model 2"
    repository.publish("colours", model, fake_manifest(size=32, model=model))
    begin(repository)
    body = {"inputs": [pixel_input(data=PIXELS.tolist())]}
    with serving(tmp_path) as client:
        until(lambda: state(client, "2") == "serving")

        by_pixels = client.post(INFER, json=body)

        assert by_pixels.status_code == 200
        assert by_pixels.json()["model_version"] == "1"
        assert by_infer(client) == "2"
        assert asked(client) == "2"
