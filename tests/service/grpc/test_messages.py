"""What no client of its own accord sends: plain messages, contents, limits, odd requests."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.servers import free_port
from tests.service.fakes import FakeSession, Gate, fake_repository
from tests.service.grpc.strategies import FILE, GREY, requests
from tests.service.http.test_protocol import until_metric
from tests.service.models import fake_app_on, served

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("service.grpc.inference_pb2")
server = pytest.importorskip("service.grpc.server")

LIMIT = 20_000
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def port() -> int:
    """Choose where to listen."""
    return free_port()


@pytest.fixture(scope="module")
def service(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake session that knows three colours."""
    root = tmp_path_factory.mktemp("grpc")
    fake_repository(root)
    app = fake_app_on(root, grpc_port=port, max_request_bytes=LIMIT, max_bytes_in_flight=10 * LIMIT)
    with served(app) as client:
        yield client


@pytest.fixture(scope="module")
def ask(service: httpx.Client, port: int) -> Iterator[Ask]:
    """Give what calls a method with a message, or with bytes that are none."""
    assert service
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:

        def call(method: str, message: Any, **options: Any) -> Any:
            sent = message if isinstance(message, bytes) else message.SerializeToString()
            found = channel.unary_unary(f"/{server.SERVICE}/{method}")
            answer, state = found.with_call(sent, **{"timeout": 60, **options})
            return getattr(pb, f"{method}Response").FromString(answer), state

        yield call


def tensor(**fields: Any) -> Any:
    """Make an input tensor: by default the name that it must have."""
    return pb.InferInputTensor(**{"name": "images", **fields})


def infer(**fields: Any) -> Any:
    """Make a request."""
    return pb.ModelInferRequest(**{"model_name": "colours", **fields})


@pytest.mark.parametrize(
    "request_",
    [
        {
            "inputs": [tensor(datatype="BYTES", shape=[1])],
            "raw_input_contents": [len(FILE).to_bytes(4, "little") + FILE],
        },
        {
            "inputs": [
                tensor(
                    datatype="BYTES",
                    shape=[1],
                    contents=pb.InferTensorContents(bytes_contents=[FILE]),
                )
            ]
        },
        {
            "inputs": [
                tensor(
                    datatype="UINT8",
                    shape=GREY.shape,
                    contents=pb.InferTensorContents(uint_contents=GREY.ravel().tolist()),
                )
            ]
        },
    ],
)
def test_contents_may_be_raw_or_typed(ask: Ask, request_: dict[str, Any]) -> None:
    """One answer of three outputs, in raw bytes, and the request's number beside it."""
    answer, state = ask("ModelInfer", infer(**request_, id="7"), metadata=[("x-request-id", "me")])

    assert (answer.id, answer.model_name, answer.model_version) == ("7", "colours", "1")
    assert [each.name for each in answer.outputs] == ["labels", "probabilities", "scores"]
    probabilities = np.frombuffer(answer.raw_output_contents[1], "<f4")
    assert probabilities.sum() == pytest.approx(1)
    assert dict(state.trailing_metadata())["x-request-id"] == "me"


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (infer(inputs=[tensor(datatype="UINT8", shape=[1])] * 2), "one input, 'images', not 2"),
        (infer(inputs=[tensor()], raw_input_contents=[b"", b""]), "as many raw_input_contents"),
        (
            infer(
                inputs=[tensor(contents=pb.InferTensorContents(bytes_contents=[b""]))],
                raw_input_contents=[b""],
            ),
            "send one of them",
        ),
        (
            infer(
                inputs=[
                    tensor(
                        datatype="UINT8",
                        shape=GREY.shape,
                        contents=pb.InferTensorContents(uint_contents=[256]),
                    )
                ]
            ),
            "from 0 to 255, not 256",
        ),
        (
            infer(
                inputs=[
                    tensor(
                        datatype="BYTES",
                        shape=[1],
                        contents=pb.InferTensorContents(fp32_contents=[1]),
                    )
                ]
            ),
            "BYTES takes bytes_contents, not fp32_contents",
        ),
        (infer(inputs=[tensor(datatype="UINT8", shape=[-1, 16, 16, 3])]), "shape"),
    ],
)
def test_what_does_not_fit_is_refused(ask: Ask, message: Any, detail: str) -> None:
    """It names what does not fit what."""
    with pytest.raises(grpc.RpcError, match=detail) as refused:
        ask("ModelInfer", message)

    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_fields_have_the_protocols_numbers() -> None:
    """Those of a client that was generated elsewhere, for every field that we have."""
    theirs = pytest.importorskip("tritonclient.grpc.service_pb2").DESCRIPTOR.message_types_by_name
    nested = {each.name: each for found in theirs.values() for each in found.nested_types}
    names = pb.DESCRIPTOR.message_types_by_name

    for name, ours in names.items():
        other = {**nested, **theirs}[name]
        numbers = {field.name: (field.number, field.type) for field in other.fields}
        for field in ours.fields:
            assert numbers[field.name] == (field.number, field.type), (name, field.name)
    assert "ModelInferRequest" in names


def test_the_generated_code_is_of_the_file_beside_it() -> None:
    """A message that was added to the one is in the other."""
    source = Path(pb.__file__).with_name("inference.proto").read_text()
    fields = re.findall(r"^ +(?:repeated )?(?:map<.*>|\w+) (\w+) = (\d+);", source, re.MULTILINE)

    generated = [
        (field.name, str(field.number))
        for message in pb.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
    ]

    assert fields == generated


def test_a_message_over_the_limit_is_refused(ask: Ask) -> None:
    """Before anything reads it."""
    message = infer(inputs=[tensor(datatype="BYTES", shape=[1])], raw_input_contents=[b"x" * LIMIT])

    with pytest.raises(grpc.RpcError) as refused:
        ask("ModelInfer", message)

    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_reaches_the_queue(tmp_path: Path) -> None:
    """What cannot be run in time is not run, and the caller is told at its deadline."""
    port, session, gate = free_port(), FakeSession(), Gate()
    fake_repository(tmp_path)
    message = infer(
        inputs=[tensor(datatype="UINT8", shape=GREY.shape)], raw_input_contents=[GREY.tobytes()]
    )
    app = fake_app_on(tmp_path, session=session, grpc_port=port, lane_workers=1)
    with (
        served(app) as client,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        session.run = gate
        call = channel.unary_unary(f"/{server.SERVICE}/ModelInfer")
        first = call.future(message.SerializeToString(), timeout=60)
        gate.wait_until_entered()
        runs = len(session.batches)
        with pytest.raises(grpc.RpcError) as late:
            call(message.SerializeToString(), timeout=0.1)
        gate.let(10)
        first.result()
        until_metric(client, "goodserve_queue_depth 0.0")
        ready = client.get("/health/ready").status_code

    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(session.batches) == runs
    assert ready == 200


@settings(max_examples=500, derandomize=True, suppress_health_check=list(HealthCheck))
@given(requests)
def test_no_request_is_a_failure_of_ours(ask: Ask, message: Any) -> None:
    """Of five hundred odd ones each gets an answer, or a status that says whose fault it is."""
    try:
        ask("ModelInfer", message)
    except grpc.RpcError as error:
        assert error.code() in (  # noqa: PT017
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.FAILED_PRECONDITION,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        )


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "RepositoryModelLoad"])
@settings(max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=60))
def test_bytes_that_are_no_message(ask: Ask, method: str, sent: bytes) -> None:
    """They end in a status too, and the service goes on."""
    with pytest.raises(grpc.RpcError):
        ask(method, sent)
    assert ask("ServerLive", pb.ServerLiveRequest())[0].live


def test_an_unknown_method(service: httpx.Client, port: int) -> None:
    """As gRPC has it; so is streaming, which one answer to one request does not need."""
    assert service
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in ("ModelStreamInfer", "Ghost"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(f"/{server.SERVICE}/{method}")(b"", timeout=60)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
