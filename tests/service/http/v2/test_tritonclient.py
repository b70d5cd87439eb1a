"""NVIDIA's client, as it is on PyPI, against the bundled model over real sockets."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from model.artifact.repository import BUNDLED_REPOSITORY
from tests.pictures import encoded, textured
from tests.service.http.v2.bodies import BUNDLED_VERSION
from tests.service.models import app_on, served

http = pytest.importorskip("tritonclient.http")
aio = pytest.importorskip("tritonclient.http.aio")
utils = pytest.importorskip("tritonclient.utils")

FILES = [encoded(textured(90, 70)), encoded(textured(32, 32), "JPEG")]
PIXELS = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """Serve the bundled model."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


@pytest.fixture
def client(service: httpx.Client) -> Iterator[Any]:
    """Give the synchronous client."""
    with http.InferenceServerClient(service.base_url.netloc.decode()) as client:
        yield client


def pixel_input(*, binary_data: bool = True) -> Any:
    """Send pixels."""
    tensor = http.InferInput("images", list(PIXELS.shape), "UINT8")
    return tensor.set_data_from_numpy(PIXELS, binary_data=binary_data)


def file_input() -> Any:
    """Send encoded files."""
    tensor = http.InferInput("images", [len(FILES)], "BYTES")
    return tensor.set_data_from_numpy(np.array(FILES, dtype=object))


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
    assert client.get_server_metadata()["name"] == "goodserve"
    assert client.get_model_metadata("cifar10", BUNDLED_VERSION)["inputs"][0]["name"] == "images"
    assert {each["state"] for each in client.get_model_repository_index()} == {
        "READY",
        "UNAVAILABLE",
    }
    assert (
        client.get_inference_statistics("cifar10")["model_stats"][0]["version"] == BUNDLED_VERSION
    )


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_pixels_in_and_numbers_out(
    service: httpx.Client, client: Any, *, binary_in: bool, binary_out: bool
) -> None:
    """In binary or as JSON, each way alone, to the answer of `/predict`."""
    names = ("labels", "probabilities", "contributions", "scores")
    asked = [http.InferRequestedOutput(name, binary_data=binary_out) for name in names]

    result = client.infer("cifar10", [pixel_input(binary_data=binary_in)], outputs=asked)

    expected = predicted(service, [encoded(Image.fromarray(each)) for each in PIXELS])
    labels = [text_of(each) for each in result.as_numpy("labels")]
    assert labels == [each["label"] for each in expected]
    found = result.as_numpy("probabilities").max(axis=1)
    assert found.tolist() == pytest.approx([each["probability"] for each in expected], abs=1e-5)
    total = result.as_numpy("contributions").sum(axis=1)
    np.testing.assert_allclose(total, result.as_numpy("scores"), atol=1e-4)


def text_of(element: bytes | str) -> str:
    """Read a text, which the client gives as bytes where it came in binary."""
    return element.decode() if isinstance(element, bytes) else element


def test_files_in_and_by_default_everything_out_in_binary(
    service: httpx.Client, client: Any
) -> None:
    """The client's defaults: binary both ways, and the id comes back."""
    result = client.infer(
        "cifar10", [file_input()], request_id="seven", model_version=BUNDLED_VERSION
    )

    expected = predicted(service, FILES)
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == (
        "seven",
        "cifar10",
        BUNDLED_VERSION,
    )
    assert result.as_numpy("labels").tolist() == [each["label"].encode() for each in expected]
    assert result.as_numpy("familiarity").tolist() == pytest.approx(
        [each["familiarity"] for each in expected], abs=1e-3
    )
    assert result.get_output("evidence") is None


def test_classes_and_evidence(client: Any) -> None:
    """The classification extension, and evidence whose positions add up to the score."""
    asked = [
        http.InferRequestedOutput("scores", class_count=3),
        http.InferRequestedOutput("evidence"),
    ]

    result = client.infer("cifar10", [pixel_input()], outputs=asked)

    top = [row[0].decode().split(":") for row in result.as_numpy("scores")]
    totals = result.as_numpy("evidence").sum(axis=(1, 2))
    assert result.as_numpy("scores").shape == (2, 3)
    np.testing.assert_allclose(totals, [float(value) for value, _, _ in top], rtol=1e-3)


@pytest.mark.parametrize(
    ("label", "message"), [("unicorn", "no class 'unicorn'"), ("cat,dog", "class names one class")]
)
def test_evidence_for_a_class_that_is_not_there(
    service: httpx.Client, label: str, message: str
) -> None:
    """Our own parameter of the output is checked; the client has no argument for it."""
    tensor = {
        "name": "images",
        "shape": [2, 32, 32, 3],
        "datatype": "UINT8",
        "data": PIXELS.tolist(),
    }
    asked = [{"name": "evidence", "parameters": {"class": label}}]

    answer = service.post("/v2/models/cifar10/infer", json={"inputs": [tensor], "outputs": asked})

    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_familiarity_comes_with_evidence_too(client: Any) -> None:
    """One request may name every output, and says of familiarity what it says alone."""
    names = [each["name"] for each in client.get_model_metadata("cifar10")["outputs"]]
    asked = [http.InferRequestedOutput(name) for name in names]

    every = client.infer("cifar10", [pixel_input()], outputs=asked)

    alone = client.infer("cifar10", [pixel_input()])
    np.testing.assert_allclose(every.as_numpy("familiarity"), alone.as_numpy("familiarity"))
    assert [each["name"] for each in every.get_response()["outputs"]] == names


def test_it_raises_what_we_refuse(client: Any) -> None:
    """Status and message arrive; loading what serves passes, anything else is refused."""
    wrong = http.InferInput("images", [1, 8, 8, 3], "UINT8")
    wrong.set_data_from_numpy(PIXELS[:1, :8, :8])

    client.load_model("cifar10")
    with pytest.raises(utils.InferenceServerException, match="may not change"):
        client.unload_model("cifar10")
    with pytest.raises(
        utils.InferenceServerException, match="no version of a model 'other'"
    ) as unknown:
        client.infer("other", [pixel_input()])
    with pytest.raises(utils.InferenceServerException, match=r"UINT8 \[N, 32, 32, 3\]") as bad:
        client.infer("cifar10", [wrong])

    assert (unknown.value.status(), bad.value.status()) == ("404", "400")


@pytest.mark.anyio
@pytest.mark.parametrize("binary", [True, False])
async def test_the_asynchronous_client_does_the_same(
    service: httpx.Client, *, binary: bool
) -> None:
    """It asks, sends and reads as the synchronous one."""
    asked = [aio.InferRequestedOutput("labels", binary_data=binary)]

    async with aio.InferenceServerClient(service.base_url.netloc.decode()) as client:
        is_ready = await client.is_model_ready("cifar10")
        result = await client.infer("cifar10", [pixel_input(binary_data=binary)], outputs=asked)
        await client.load_model("cifar10")

    expected = predicted(service, [encoded(Image.fromarray(each)) for each in PIXELS])
    assert is_ready
    labels = [text_of(each) for each in result.as_numpy("labels")]
    assert labels == [each["label"] for each in expected]
