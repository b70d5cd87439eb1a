"""Options mean the same wherever they stand, and each endpoint tells where its own do."""

import base64
from collections.abc import Iterator

import httpx
import pytest

from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

FILE = encoded(coloured("red", 1))
TEXT = base64.b64encode(FILE).decode()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake model."""
    root = tmp_path_factory.mktemp("options")
    fake_repository(root)
    with served(fake_app_on(root)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "where"),
    [("/predict", "options are: top_k, explain, confidence"), ("/explain", "stand in the query")],
)
def test_an_unknown_field_is_told_where_options_stand(
    client: httpx.Client, path: str, where: str
) -> None:
    """By the endpoint that is asked."""
    response = client.post(path, data={"classes": "red"}, files={"image": ("a.png", FILE)})

    assert response.status_code == 422
    assert response.json()["type"] == "urn:goodserve:problem:unknown-field"
    assert where in response.json()["detail"]
