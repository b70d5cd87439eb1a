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


@pytest.mark.parametrize(
    ("word", "explained"),
    [(w, True) for w in ("yes", "true", "TRUE", "on", "1", "y")]
    + [(w, False) for w in ("no", "false", "off", "0", "n")]
    + [(w, None) for w in ("perhaps", "", "null", "2")],
)
def test_a_word_means_the_same_everywhere(
    client: httpx.Client, word: str, *, explained: bool | None
) -> None:
    """In the query, in a form and in JSON; what is no word is refused."""
    answers = [
        client.post("/predict", content=FILE, params={"explain": word}),
        client.post("/predict", files={"image": ("a.png", FILE)}, data={"explain": word}),
        client.post("/predict", json={"images": [TEXT], "explain": word}),
    ]

    for answer in answers:
        assert answer.status_code == (422 if explained is None else 200)
        if explained is None:
            assert answer.json()["type"] == "urn:goodserve:problem:bad-option"
        else:
            (prediction,) = answer.json()["predictions"]
            assert ("layers" in prediction["classes"][0]) == explained


@pytest.mark.parametrize(
    ("value", "explained"), [(True, True), (1, True), (0, False), (None, False)]
)
def test_json_has_values_of_its_own(
    client: httpx.Client, value: object, *, explained: bool
) -> None:
    """One that is null counts as left out."""
    answer = client.post("/predict", json={"images": [TEXT], "explain": value})

    (prediction,) = answer.json()["predictions"]
    assert ("layers" in prediction["classes"][0]) == explained
