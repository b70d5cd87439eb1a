"""NVIDIA's gRPC client, as it is on PyPI, against the bundled model over real sockets."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from benchmarks.servers import free_port
from model.artifact.repository import BUNDLED_REPOSITORY
from tests.pictures import encoded, textured
from tests.service.http.v2.bodies import BUNDLED_VERSION
from tests.service.models import app_on, served

pytest.importorskip("grpc")  # without it tritonclient raises another error
grpc = pytest.importorskip("tritonclient.grpc")
aio = pytest.importorskip("tritonclient.grpc.aio")
utils = pytest.importorskip("tritonclient.utils")

FILES = [encoded(textured(90, 70)), encoded(textured(32, 32), "JPEG")]
PIXELS = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), np.uint8)
PNGS = [encoded(Image.fromarray(each)) for each in PIXELS]


@pytest.fixture(scope="module")
def port() -> int:
    """Choose where to listen."""
    return free_port()


@pytest.fixture(scope="module")
def service(port: int) -> Iterator[httpx.Client]:
    """Serve the bundled model, over HTTP and gRPC."""
    with served(app_on(BUNDLED_REPOSITORY, grpc_port=port)) as client:
        yield client


@pytest.fixture
def client(service: httpx.Client, port: int) -> Iterator[Any]:
    """Give the synchronous client."""
    assert service
    with grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


def pixel_input() -> Any:
    """Send pixels."""
    tensor = grpc.InferInput("images", list(PIXELS.shape), "UINT8")
    return tensor.set_data_from_numpy(PIXELS)


def file_input(files: list[bytes]) -> Any:
    """Send encoded files."""
    tensor = grpc.InferInput("images", [len(files)], "BYTES")
    return tensor.set_data_from_numpy(np.array(files, dtype=object))


def predicted(service: httpx.Client, files: list[bytes]) -> list[dict[str, Any]]:
    """Ask `/predict` about the same."""
    answer = service.post("/predict", files=[("image", ("a", file)) for file in files])
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


def test_it_asks_about_the_server_and_the_model(client: Any) -> None:
    """Every question that the client has a method for."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cifar10")
    assert client.is_model_ready("cifar10", BUNDLED_VERSION)
    assert not client.is_model_ready("cifar10", "1")
    metadata = client.get_server_metadata()
    assert (metadata.name, "statistics" in metadata.extensions) == ("goodserve", True)
    model = client.get_model_metadata("cifar10", BUNDLED_VERSION)
    assert [(each.name, list(each.shape)) for each in model.inputs] == [("images", [-1, 32, 32, 3])]
    assert {each.name for each in model.outputs} >= {"labels", "scores", "evidence"}
    index = client.get_model_repository_index().models
    assert {(each.name, each.state) for each in index} == {
        ("cifar10", "READY"),
        ("cifar10", "UNAVAILABLE"),
    }
    client.infer("cifar10", [pixel_input()])
    (stats,) = client.get_inference_statistics("cifar10", BUNDLED_VERSION).model_stats
    assert stats.inference_count >= stats.execution_count > 0
    assert client.get_inference_statistics().model_stats


def test_pixels_in_and_numbers_out(service: httpx.Client, client: Any) -> None:
    """To the answer of `/predict`, with the request's id and the model's version."""
    names = ("labels", "probabilities", "contributions", "scores")
    asked = [grpc.InferRequestedOutput(name) for name in names]

    result = client.infer("cifar10", [pixel_input()], outputs=asked, request_id="seven")

    expected = predicted(service, PNGS)
    response = result.get_response()
    assert (response.id, response.model_name) == ("seven", "cifar10")
    assert response.model_version == BUNDLED_VERSION
    assert [each.decode() for each in result.as_numpy("labels")] == [
        each["label"] for each in expected
    ]
    found = result.as_numpy("probabilities").max(axis=1)
    assert found.tolist() == pytest.approx([each["probability"] for each in expected], abs=1e-5)
    total = result.as_numpy("contributions").sum(axis=1)
    np.testing.assert_allclose(total, result.as_numpy("scores"), atol=1e-4)


def test_files_in_and_by_default_four_outputs(service: httpx.Client, client: Any) -> None:
    """Decoded as `/predict` decodes them; explanations only for those who name them."""
    result = client.infer("cifar10", [file_input(FILES)], model_version=BUNDLED_VERSION)

    expected = predicted(service, FILES)
    assert result.as_numpy("labels").tolist() == [each["label"].encode() for each in expected]
    assert result.as_numpy("familiarity").tolist() == pytest.approx(
        [each["familiarity"] for each in expected], abs=1e-3
    )
    assert result.as_numpy("evidence") is None


def test_classification_and_evidence(client: Any) -> None:
    """Texts of the highest classes, and a map that sums to the score it explains."""
    asked = [
        grpc.InferRequestedOutput("scores", class_count=3),
        grpc.InferRequestedOutput("evidence"),
    ]

    result = client.infer("cifar10", [pixel_input()], outputs=asked)

    assert result.as_numpy("scores").shape == (2, 3)
    tops = [float(row[0].decode().split(":")[0]) for row in result.as_numpy("scores")]
    np.testing.assert_allclose(result.as_numpy("evidence").sum(axis=(1, 2)), tops, atol=1e-3)


def test_a_model_is_loaded_and_not_taken_away(client: Any) -> None:
    """As over REST."""
    client.load_model("cifar10")

    with pytest.raises(utils.InferenceServerException, match="cannot be unloaded") as refused:
        client.unload_model("cifar10")

    assert refused.value.status() == "StatusCode.PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (lambda c: c.infer("ghost", [pixel_input()]), "NOT_FOUND", "ghost"),
        (lambda c: c.infer("../x", [pixel_input()]), "NOT_FOUND", "bad model name"),
        (lambda c: c.get_model_metadata("stats"), "NOT_FOUND", "statistics"),
        (lambda c: c.get_model_metadata("cifar10", "99"), "NOT_FOUND", "no version"),
        (lambda c: c.infer("cifar10", []), "INVALID_ARGUMENT", "one input, 'images', not 0"),
        (
            lambda c: c.infer("cifar10", [file_input([b"none"])]),
            "INVALID_ARGUMENT",
            "not an image",
        ),
        (
            lambda c: c.infer("cifar10", [file_input(FILES * 20)]),
            "INVALID_ARGUMENT",
            "holds 40 images, the limit is 32",
        ),
        (
            lambda c: c.infer(
                "cifar10", [pixel_input()], outputs=[grpc.InferRequestedOutput("ghost")]
            ),
            "INVALID_ARGUMENT",
            "no output 'ghost'",
        ),
        (
            lambda c: c.infer("cifar10", [pixel_input()], client_timeout=1e-6),
            "DEADLINE_EXCEEDED",
            "Deadline Exceeded|the deadline passed",  # the client's own, or ours if it is sooner
        ),
    ],
)
def test_refusals_are_statuses(client: Any, call: Any, code: str, message: str) -> None:
    """With the text that REST has."""
    with pytest.raises(utils.InferenceServerException, match=message) as refused:
        call(client)

    assert refused.value.status() == f"StatusCode.{code}"


@pytest.mark.anyio
async def test_the_asynchronous_client(service: httpx.Client, port: int) -> None:
    """Ready, and an answer."""
    async with aio.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert await client.is_model_ready("cifar10")
        result = await client.infer("cifar10", [pixel_input()])

    expected = [each["label"].encode() for each in predicted(service, PNGS)]
    assert result.as_numpy("labels").tolist() == expected
