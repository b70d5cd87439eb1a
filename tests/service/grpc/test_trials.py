"""A version on trial over gRPC, asked by NVIDIA's client."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers import free_port
from tests.service.fakes import fake_repository
from tests.service.http.test_named_models import until
from tests.service.http.test_trials import asked, begin, state
from tests.service.http.v2.bodies import PIXELS
from tests.service.models import fake_app_on, served

pytest.importorskip("grpc")  # without it tritonclient raises another error
grpc = pytest.importorskip("tritonclient.grpc")


def answered(client: Any, version: str = "", **headers: str) -> str:
    """Say which version answers a call."""
    tensor = grpc.InferInput("images", list(PIXELS.shape), "UINT8").set_data_from_numpy(PIXELS)
    result = client.infer("colours", [tensor], version, headers=headers or None)
    found: str = result.get_response().model_version
    return found


def test_a_call_is_drawn_as_a_request_is(tmp_path: Path) -> None:
    """By the metadata x-routing-key; who names a version gets that."""
    repository, port = fake_repository(tmp_path, versions=2), free_port()
    begin(repository, percent=50)
    with (
        served(fake_app_on(tmp_path, grpc_port=port)) as http,
        grpc.InferenceServerClient(f"127.0.0.1:{port}") as client,
    ):
        until(lambda: state(http, "2") == "serving")
        keys = list(map(str, range(20)))
        by_call = [answered(client, **{"x-routing-key": key}) for key in keys]

        assert by_call == [asked(http, **{"X-Routing-Key": key}) for key in keys]
        assert set(by_call) == {"1", "2"}
        assert {answered(client, **{"x-routing-key": ""}) for _ in range(40)} == {"1", "2"}
        assert answered(client, **{"x-model-version": " 2 "}) == "2"
        assert {answered(client, "1") for _ in range(10)} == {"1"}
        assert {answered(client, "2") for _ in range(10)} == {"2"}
