"""A version whose graph never ends: the service stays alive, serves others, and can be stopped."""

import hashlib
import time
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.e2e.server import running
from tests.pictures import coloured, encoded
from tests.trained import SmallModel

PICTURE = encoded(coloured("red", 1))
FLAGS = ("--workers", "1", "--load-timeout-s", "10")


def endless(model: bytes) -> bytes:
    """Let a model's scores go round a loop 2**62 times before they come out."""
    loaded = onnx.load_model_from_string(model)
    graph = loaded.graph
    for node in graph.node:
        node.output[:] = ["before" if name == "scores" else name for name in node.output]
        node.input[:] = ["before" if name == "scores" else name for name in node.input]
    value = helper.make_tensor_value_info
    turn = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["and_on"]),
            helper.make_node("Neg", ["taken"], ["given"]),
        ],
        "turn",
        [
            value("turn", TensorProto.INT64, []),
            value("go_on", TensorProto.BOOL, []),
            value("taken", TensorProto.FLOAT, None),
        ],
        [value("and_on", TensorProto.BOOL, []), value("given", TensorProto.FLOAT, None)],
    )
    graph.initializer.append(helper.make_tensor("turns", TensorProto.INT64, [], [2**62]))
    graph.initializer.append(helper.make_tensor("always", TensorProto.BOOL, [], [True]))
    loop = helper.make_node("Loop", ["turns", "always", "before"], ["scores"], body=turn)
    graph.node.append(loop)
    return loaded.SerializeToString()  # type: ignore[no-any-return]


@pytest.fixture
def repository(small_models: list[SmallModel], tmp_path: Path) -> ModelRepository:
    """Publish an endless version, which is active, and a sound one."""
    repository, small = ModelRepository(tmp_path), small_models[0]
    model = endless(small.model)
    manifest = small.manifest.model_copy(
        update={
            "model_sha256": hashlib.sha256(model).hexdigest(),
            "model_size_bytes": len(model),
        }
    )
    repository.activate(repository.publish("colours", model, manifest, small.graphs))
    repository.publish("colours", *small.published)
    return repository


def until_refused(url: str) -> str:
    """Wait until readiness tells why the version does not serve."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        refused = httpx.get(f"{url}/health/ready").json().get("refused")
        if refused:
            return str(refused["reason"])
        time.sleep(0.1)
    raise AssertionError


def test_a_service_started_on_one_lives_and_can_be_stopped(repository: ModelRepository) -> None:
    """It says why it is not ready, takes a sound version, and ends with 0 on SIGTERM."""
    with running(repository.root, *FLAGS) as server:
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        assert "it was not loaded in time" in until_refused(server.url)
        assert httpx.get(f"{server.url}/health/ready").status_code == 503

        repository.activate(VersionId("colours", "2"))

        deadline = time.monotonic() + 60
        while httpx.get(f"{server.url}/health/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert httpx.post(f"{server.url}/predict", content=PICTURE).status_code == 200
        assert server.stop() == 0


def test_swapping_to_one_leaves_the_old_version(repository: ModelRepository) -> None:
    """It is refused after its time, the old one answers throughout, and swapping goes on."""
    repository.activate(VersionId("colours", "2"))
    with running(repository.root, *FLAGS) as server:
        repository.activate(VersionId("colours", "1"))
        assert "it was not loaded in time" in until_refused(server.url)

        answer = httpx.post(f"{server.url}/predict", content=PICTURE).json()

        assert answer["model"]["version"] == "2"
        named = f"{server.url}/models/colours/versions/1/predict"
        refused = httpx.post(named, content=PICTURE, timeout=60)
        assert refused.status_code == 409
        assert server.stop() == 0
