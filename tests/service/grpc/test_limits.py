"""How many calls are taken at once: their messages are read before anything is known of them."""

from pathlib import Path

import pytest

from benchmarks.servers import free_port
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, Gate, fake_repository
from tests.service.http.test_protocol import until_metric
from tests.service.http.v2.bodies import elements
from tests.service.models import fake_app_on, served

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("service.grpc.inference_pb2")
server = pytest.importorskip("service.grpc.server")

MIB = 2**20


@pytest.mark.parametrize(
    ("max_calls", "max_bytes", "message", "calls"),
    [
        (4096, 512 * MIB, 32 * MIB, 128),
        (4096, 512 * MIB, MIB, 512),
        (4096, 2**50, 32 * MIB, 4096),
        (8, 512 * MIB, 32 * MIB, 8),
    ],
)
def test_calls_are_bounded_by_the_bytes_they_may_hold(
    max_calls: int, max_bytes: int, message: int, calls: int
) -> None:
    """Where messages may be large they are few, but never so few that no batch is full."""
    where = server.Listening("127.0.0.1:0", message, max_calls, max_bytes, grace_s=1)

    assert where.calls_at_once == calls


def test_calls_beyond_are_refused_at_once(tmp_path: Path) -> None:
    """Those in hand are answered; nothing of the others is kept."""
    fake_repository(tmp_path)
    session, gate, port = FakeSession(), Gate(), free_port()
    request = pb.ModelInferRequest(
        model_name="colours",
        inputs=[pb.InferInputTensor(name="images", datatype="BYTES", shape=[1])],
        raw_input_contents=[elements([encoded(coloured("red", 1))])],
    ).SerializeToString()
    settings = {"grpc_port": port, "lane_workers": 1, "max_wait_s": 60}
    with (
        served(fake_app_on(tmp_path, session=session, **settings)) as http,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        session.run = gate
        call = channel.unary_unary(f"/{server.SERVICE}/ModelInfer")
        taken = [call.future(request, timeout=60) for _ in range(128)]
        until_metric(http, "goodserve_queue_depth 128.0")
        beyond = {call.future(request, timeout=60).code() for _ in range(6)}
        gate.let(128)
        answered = {each.code() for each in taken}

    assert beyond == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert answered == {grpc.StatusCode.OK}
