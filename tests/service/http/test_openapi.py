"""The OpenAPI document: its examples are what the service says, and names are told once."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from service.http.examples import EXPLAIN_ANSWER, PIXEL, PREDICT_ANSWER, PROBLEMS
from service.http.problems import PROBLEM_JSON
from service.http.schemas import ExplainResponse, PredictResponse, Problem
from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

FILE = encoded(coloured("red", 1))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake session."""
    root = tmp_path_factory.mktemp("openapi")
    fake_repository(root)
    with served(fake_app_on(root, max_images_per_request=7)) as client:
        yield client


def test_the_examples_of_answers_fit_their_schemas() -> None:
    """Strictly: every type as documented, and no field that is not."""
    for schema, example in ((PredictResponse, PREDICT_ANSWER), (ExplainResponse, EXPLAIN_ANSWER)):
        read = schema.model_validate(example, strict=True, extra="forbid")
        assert read.model_dump(exclude_unset=True) == example


def test_the_parts_of_the_examples_add_up() -> None:
    """Layers to the goodness, and maps to their contribution, as in every answer."""
    for each in PREDICT_ANSWER["predictions"][0]["classes"]:
        parts = [layer["contribution"] for layer in each["layers"]]
        assert sum(parts) == pytest.approx(each["goodness"])
    for each in EXPLAIN_ANSWER["explanations"][0]["evidence"]:
        maps = [sum(map(sum, layer["map"])) for layer in each["layers"]]
        assert maps == pytest.approx([layer["contribution"] for layer in each["layers"]])
        assert sum(maps) == pytest.approx(each["goodness"])
        assert sum(map(sum, each["map"])) == pytest.approx(each["goodness"])


def test_the_example_of_a_body_is_answered(client: httpx.Client) -> None:
    """One pixel is a picture too."""
    assert client.post("/predict", json={"images": [PIXEL]}).status_code == 200


@pytest.mark.parametrize(
    ("status", "path", "sent"),
    [
        (400, "/predict", {"json": {"images": []}}),
        (404, "/models/horses/predict", {"content": FILE}),
        (415, "/predict", {"content": b"a", "headers": {"content-type": "text/plain"}}),
        (422, "/predict?top_k=0", {"content": FILE}),
    ],
)
def test_the_examples_of_problems_are_what_is_said(
    client: httpx.Client, status: int, path: str, sent: dict[str, Any]
) -> None:
    """To the last word, but for the request's number."""
    answer = client.post(path, **sent)

    number = {"request_id": answer.headers["x-request-id"]}
    assert answer.status_code == status
    assert answer.json() == {**PROBLEMS[HTTPStatus(status)], **number}


def test_there_is_one_problem(client: httpx.Client) -> None:
    """Every error of our own paths refers to it, 500 is among them everywhere, none is inlined."""
    document = client.get("/openapi.json").json()
    reference = {"$ref": "#/components/schemas/Problem"}

    assert set(document["components"]["schemas"]["Problem"]["properties"]) == set(
        Problem.model_fields
    )
    for path, operations in document["paths"].items():
        if path.startswith("/v2"):
            continue
        for operation in operations.values():
            assert "500" in operation["responses"], path
            for status, response in operation["responses"].items():
                content = response["content"]
                if status != "200" and path != "/health/ready":
                    assert content[PROBLEM_JSON]["schema"] == reference, (path, status)
                    assert content[PROBLEM_JSON]["example"]["status"] == int(status)


def test_operations_and_types_have_names_of_their_own(client: httpx.Client) -> None:
    """Short ones: generated clients call their functions and classes by them."""
    document = client.get("/openapi.json").json()

    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(names)) == len(names)
    assert {"predict", "predict_model", "predict_version", "explain", "v2_infer_model"} < set(names)
    assert not [name for name in document["components"]["schemas"] if "__" in name]


def test_the_document_and_the_models_tell_the_limit(client: httpx.Client) -> None:
    """So that a client knows how many images to put into one request."""
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    content = operation["requestBody"]["content"]

    assert content["multipart/form-data"]["schema"]["properties"]["image"]["maxItems"] == 7
    assert content["application/json"]["schema"]["properties"]["images"]["maxItems"] == 7
    assert client.get("/models").json()["limits"]["images"] == 7
