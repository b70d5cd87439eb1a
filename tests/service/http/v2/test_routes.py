"""What the protocol tells of the server, its models and its repository."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from model.artifact.version import VersionId
from tests.service.fakes import fake_manifest, fake_repository
from tests.service.http.v2.bodies import BUNDLED_VERSION, INFER, PIXELS, pixel_input, post_binary
from tests.service.models import app_on, fake_app_on, served

BODY = {"inputs": [pixel_input(PIXELS, data=PIXELS.tolist())]}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve the first of three fake versions; the manifest of the last is broken."""
    repository = fake_repository(tmp_path, versions=3)
    broken = repository.root / "colours" / "3" / "manifest.json"
    broken.chmod(0o644)
    broken.write_text("{")
    with served(fake_app_on(tmp_path)) as client:
        yield client


def test_health_is_in_bodies_and_statuses(client: httpx.Client) -> None:
    """Some clients read the one, some the other."""
    live, ready = client.get("/v2/health/live"), client.get("/v2/health/ready")
    model = client.get("/v2/models/colours/versions/1/ready")

    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"live": True, "ready": True})
    assert (model.status_code, model.json()) == (200, {"name": "colours", "ready": True})


def test_nothing_is_ready_where_nothing_serves(tmp_path: Path) -> None:
    """503 and why, in the protocol's form; the process is live, and no model is known."""
    with served(fake_app_on(tmp_path)) as client:
        ready, model = client.get("/v2/health/ready"), client.get("/v2/models/x/ready")
        infer, live = client.post(INFER, json=BODY), client.get("/v2/health/live")

    assert [each.status_code for each in (ready, model, infer, live)] == [503, 404, 404, 200]
    assert ready.json() == {"live": True, "ready": False, "error": "no model is loaded"}
    assert "no version of a model 'colours' is active" in infer.json()["error"]


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_its_extensions(client: httpx.Client, path: str) -> None:
    """With a slash or without: the protocol's documents have both."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert {"binary_tensor_data", "classification"} <= set(answer.json()["extensions"])


def test_a_model_tells_its_tensors() -> None:
    """Names, datatypes and shapes; explanations only where the version has them."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        found = client.get("/v2/models/cifar10").json()

    outputs = {each["name"]: (each["datatype"], each["shape"]) for each in found["outputs"]}
    assert (found["versions"][-1], found["platform"]) == (BUNDLED_VERSION, "onnx_onnxv1")
    assert found["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}]
    assert outputs == {
        "labels": ("BYTES", [-1]),
        "probabilities": ("FP32", [-1, 10]),
        "scores": ("FP32", [-1, 10]),
        "familiarity": ("FP32", [-1]),
        "contributions": ("FP32", [-1, 4, 10]),
        "evidence": ("FP32", [-1, 32, 32]),
    }


@pytest.mark.parametrize("gone", ["colours/1", "colours", "."])
def test_what_is_loaded_is_described_though_its_files_are_gone(tmp_path: Path, gone: str) -> None:
    """It goes on answering, so metadata, readiness and counts are of it; nothing else is."""
    root = tmp_path / "models"
    fake_repository(root, versions=2)
    with served(fake_app_on(root)) as client:
        before = client.get("/v2/models/colours").json()
        (root / gone).rename(tmp_path / "elsewhere")

        for path in ("/v2/models/colours", "/v2/models/colours/versions/1"):
            answers = [client.get(path + rest) for rest in ("", "/ready", "/stats")]
            assert [answer.status_code for answer in answers] == [200, 200, 200]
            found = answers[0].json()
            assert found["versions"] == (["1", "2"] if gone == "colours/1" else ["1"])
            assert found | {"versions": before["versions"]} == before
        assert client.get("/v2/models/colours/versions/3").status_code in (404, 503)
        assert client.post(INFER, json=BODY).status_code == 200


def test_the_index_lists_every_version(client: httpx.Client) -> None:
    """The one that serves is ready; the others say why they are not."""
    every = client.post("/v2/repository/index").json()
    ready = client.post("/v2/repository/index", json={"ready": True}).json()
    wrong = client.post("/v2/repository/index", json={"ready": "perhaps"})

    assert [(each["version"], each["state"]) for each in every] == [
        ("1", "READY"),
        ("2", "UNAVAILABLE"),
        ("3", "UNAVAILABLE"),
    ]
    assert every[1]["reason"].startswith("not loaded")
    assert "manifest" in every[2]["reason"]
    assert ready == every[:1]
    assert (wrong.status_code, list(wrong.json())) == (400, ["error"])


def test_clients_do_not_change_what_serves(client: httpx.Client) -> None:
    """Loading what serves is a 200, unloading it is refused; what is not published is unknown."""
    answers = {
        (name, what): client.post(f"/v2/repository/models/{name}/{what}").status_code
        for name in ("colours", "unknown")
        for what in ("load", "unload")
    }

    assert answers == {
        ("colours", "load"): 200,
        ("colours", "unload"): 403,
        ("unknown", "load"): 404,
        ("unknown", "unload"): 404,
    }
    assert client.post(INFER, json=BODY).status_code == 200


def test_a_model_is_ready_once_it_is_loaded(tmp_path: Path) -> None:
    """Loaded by name, or by the first request that names it; until then 503 says so."""
    fake_repository(tmp_path, versions=2)
    with served(fake_app_on(tmp_path)) as client:
        path = "/v2/models/colours/versions/2"
        before = client.get(f"{path}/ready")
        answer = client.post(f"{path}/infer", json=BODY).json()
        after = client.get(f"{path}/ready")
        index = client.post("/v2/repository/index", json={"ready": True}).json()

    assert (before.status_code, after.status_code) == (503, 200)
    assert before.json()["error"].startswith("not loaded")
    assert (answer["model_name"], answer["model_version"]) == ("colours", "2")
    assert [each["version"] for each in index] == ["1", "2"]


def test_a_second_model_is_loaded_by_name(tmp_path: Path) -> None:
    """Then it answers and is listed as ready beside the first one."""
    repository = fake_repository(tmp_path)
    model = b"another fake model"
    repository.publish("others", model, fake_manifest(model=model))
    repository.activate(VersionId("others", "1"))
    with served(fake_app_on(tmp_path)) as client:
        before = client.get("/v2/models/others/ready").status_code
        unload = client.post("/v2/repository/models/others/unload").status_code
        load = client.post("/v2/repository/models/others/load", content=b"{}").status_code
        after = client.get("/v2/models/others/ready").status_code
        refused = client.post("/v2/repository/models/others/unload").status_code
        answer = client.post("/v2/models/others/infer", json=BODY).json()

    assert (before, unload, load, after, refused) == (503, 200, 200, 200, 403)
    assert answer["model_name"] == "others"


def test_statistics_count_images_and_runs(client: httpx.Client) -> None:
    """By version, whichever way the requests came."""
    assert client.get("/v2/models/colours/stats").json()["model_stats"] == [
        {"name": "colours", "version": "1", "inference_count": 0, "execution_count": 0}
    ]
    post_binary(client, pixel_input(), PIXELS.tobytes())
    post_binary(client, pixel_input(PIXELS[:1]), PIXELS[:1].tobytes())

    every = client.get("/v2/models/stats").json()
    one = client.get("/v2/models/colours/versions/1/stats").json()
    idle = client.get("/v2/models/colours/versions/2/stats")
    none = client.get("/v2/models/colours/versions/9/stats")

    assert every == one
    assert (
        one["model_stats"][0] | {"inference_count": 4, "execution_count": 2}
        == one["model_stats"][0]
    )
    assert idle.json() == {"model_stats": []}
    assert none.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/nothing", 404), ("GET", INFER, 405), ("DELETE", "/v2/models/colours", 405)],
)
def test_the_frameworks_errors_are_worded_likewise(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    """Below /v2 only; elsewhere they stay problem details."""
    answer, other = client.request(method, path), client.get("/nothing")

    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert other.headers["content-type"] == "application/problem+json"


def test_the_description_names_every_part_of_a_path(client: httpx.Client) -> None:
    """`/openapi.json` has all routes of the protocol, each with what stands in its path."""
    paths = client.get("/openapi.json").json()["paths"]
    ours = {path: each for path, each in paths.items() if path.startswith("/v2")}

    assert len(ours) == 15
    for path, operations in ours.items():
        (operation,) = operations.values()
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), path
