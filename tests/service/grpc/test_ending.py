"""The end of a service that answers over HTTP and gRPC: both drain at the same time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.servers import free_port
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, fake_repository
from tests.service.http.test_protocol import until_metric
from tests.service.http.v2.bodies import elements
from tests.service.models import fake_app_on, server_of

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("service.grpc.inference_pb2")
server_module = pytest.importorskip("service.grpc.server")

FILE = encoded(coloured("red", 1))
INFER = pb.ModelInferRequest(
    model_name="colours",
    inputs=[pb.InferInputTensor(name="images", datatype="BYTES", shape=[1])],
    raw_input_contents=[elements([FILE])],
).SerializeToString()
WAIT_S = 60


def test_grpc_drains_while_http_does(tmp_path: Path) -> None:
    """No call is taken any more while a request is still in hand; what is in flight is answered."""
    fake_repository(tmp_path)
    session, let_go, port = FakeSession(), threading.Event(), free_port()
    app = fake_app_on(tmp_path, session=session, grpc_port=port, lane_workers=1, max_wait_s=WAIT_S)
    with (
        server_of(app) as (server, http_port),
        httpx.Client(base_url=f"http://127.0.0.1:{http_port}", timeout=3 * WAIT_S) as http,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        grpc.insecure_channel(f"127.0.0.1:{port}", [("goodserve.test", 1)]) as later,
        ThreadPoolExecutor() as threads,
    ):
        infer = channel.unary_unary(f"/{server_module.SERVICE}/ModelInfer")
        live = later.unary_unary(f"/{server_module.SERVICE}/ServerLive")
        assert live.future(b"", timeout=WAIT_S).code() == grpc.StatusCode.OK
        session.run = lambda _pixels: assert_set(let_go)
        call = infer.future(INFER, timeout=3 * WAIT_S)
        request = threads.submit(http.post, "/predict", content=FILE)
        until_metric(http, "goodserve_queue_depth 2.0")

        server.should_exit = True
        try:
            deadline = time.monotonic() + WAIT_S
            while live.future(b"", timeout=WAIT_S).code() != grpc.StatusCode.UNAVAILABLE:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert not request.done()
        finally:
            let_go.set()

        assert request.result().status_code == 200
        assert call.code() == grpc.StatusCode.OK


def assert_set(event: threading.Event) -> None:
    """Wait for an event, longer than the test needs."""
    assert event.wait(3 * WAIT_S)
