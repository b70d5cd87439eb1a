"""KServe's client, as it is on PyPI; it pins much, so it is tested where somebody installed it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from tests.pictures import encoded, textured
from tests.service.http.v2.bodies import texts
from tests.service.models import app_on, served

kserve = pytest.importorskip("kserve", exc_type=ImportError)
infer_type = pytest.importorskip("kserve.protocol.infer_type", exc_type=ImportError)

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PIXELS = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), np.uint8)
FILE = encoded(textured(90, 70))


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """Serve the bundled model."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    """Give the client, which is asynchronous."""
    async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2")) as client:
        yield client


async def test_it_reads_health_from_bodies(service: httpx.Client, client: Any) -> None:
    """`live` and `ready` must be there; a model is ready by its status."""
    url = str(service.base_url)

    assert await client.is_server_live(url) is True
    assert await client.is_server_ready(url) is True
    assert await client.is_model_ready(url, "cifar10")
    assert not await client.is_model_ready(url, "other")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
async def test_it_infers(
    service: httpx.Client, client: Any, *, binary_in: bool, binary_out: bool
) -> None:
    """Pixels in, labels and evidence out, in binary or as JSON."""
    tensor = infer_type.InferInput("images", list(PIXELS.shape), "UINT8")
    tensor.set_data_from_numpy(PIXELS, binary_data=binary_in)
    asked = [
        infer_type.RequestedOutput(name, {"binary_data": binary_out})
        for name in ("labels", "evidence", "scores")
    ]
    request = infer_type.InferRequest("cifar10", [tensor], request_id="7", request_outputs=asked)

    found = await client.infer(str(service.base_url), request, model_name="cifar10")

    total = found.get_output_by_name("evidence").as_numpy().sum(axis=(1, 2))
    scores = found.get_output_by_name("scores").as_numpy()
    assert (found.id, found.model_name) == ("7", "cifar10")
    assert len(found.get_output_by_name("labels").as_numpy()) == 2
    np.testing.assert_allclose(total, scores.max(axis=1), rtol=1e-3)


async def test_it_sends_files_and_reads_errors(service: httpx.Client, client: Any) -> None:
    """Base64 in JSON; a refusal's text is in the client's exception."""
    url = str(service.base_url)
    tensor = {"name": "images", "shape": [1], "datatype": "BYTES", "data": texts([FILE])}

    found = await client.infer(url, {"inputs": [tensor]}, model_name="cifar10")

    async with httpx.AsyncClient(base_url=service.base_url) as plain:
        answer = await plain.post("/predict", content=FILE)
    expected = answer.json()["predictions"][0]["label"]
    assert found.get_output_by_name("labels").data == [expected]
    with pytest.raises(httpx.HTTPStatusError, match="must be one input, 'images', not 0"):
        await client.infer(url, {"inputs": []}, model_name="cifar10")
