"""Inference by the protocol: every way in, every way out, and what is refused."""

import struct
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.pictures import encoded, textured
from tests.service.fakes import FakeSession, fake_repository
from tests.service.http.v2.bodies import (
    FILES,
    INFER,
    JSON_LENGTH,
    PIXELS,
    binary,
    elements,
    file_input,
    outputs,
    pixel_input,
    post_binary,
    texts,
)
from tests.service.models import fake_app_on, served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake session that knows three colours, over real sockets."""
    root = tmp_path_factory.mktemp("v2")
    fake_repository(root, versions=2)
    with served(fake_app_on(root, max_images_per_request=4)) as client:
        yield client


def test_pixels_come_in_three_ways_to_the_same_scores(client: httpx.Client) -> None:
    """Flat or nested numbers and raw bytes reach the batch as they are."""
    tensor = pixel_input()
    answers = [
        client.post(INFER, json={"inputs": [{**tensor, "data": PIXELS.tolist()}]}),
        client.post(INFER, json={"inputs": [{**tensor, "data": PIXELS.ravel().tolist()}]}),
        post_binary(client, tensor, PIXELS.tobytes()),
    ]

    expected = FakeSession()(PIXELS).scores
    for answer in answers:
        found = np.array(outputs(answer)["scores"]).reshape(3, 3)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert outputs(answers[0])["labels"] == ["red", "blue", "green"]


def test_files_come_in_three_ways_to_the_answer_of_predict(client: httpx.Client) -> None:
    """Base64 in JSON, lengths and bytes, or one file alone; any size of picture."""
    predicted = client.post("/predict", files=[("i", ("a", file)) for file in FILES]).json()
    expected = [each["probability"] for each in predicted["predictions"]]

    answers = [
        client.post(INFER, json={"inputs": [file_input(FILES, data=texts(FILES))]}),
        client.post(
            INFER,
            json={
                "inputs": [
                    {**file_input(FILES), "shape": [2, 1], "data": [[t] for t in texts(FILES)]}
                ]
            },
        ),
        post_binary(client, file_input(FILES), elements(FILES)),
        post_binary(
            client,
            file_input(
                FILES,
                parameters={
                    "content_type": "base64",
                    "binary_data_size": sum(len(t) + 4 for t in texts(FILES)),
                },
            ),
            elements([text.encode() for text in texts(FILES)]),
        ),
    ]

    for answer in answers:
        found = np.array(outputs(answer)["probabilities"]).reshape(2, 3).max(axis=1)
        assert found.tolist() == pytest.approx(expected)


def test_a_body_without_a_json_part_is_one_file(client: httpx.Client) -> None:
    """Triton's raw request: every output comes back in binary."""
    answer = client.post(INFER, content=FILES[1], headers={JSON_LENGTH: "0"})

    length = int(answer.headers[JSON_LENGTH])
    assert answer.status_code == 200
    assert answer.content[length:].startswith(struct.pack("<I", 4) + b"blue")
    assert answer.headers["content-type"] == "application/octet-stream"


def test_the_answer_names_the_model_and_the_request(client: httpx.Client) -> None:
    """The version that answered, the id that came; a version may be in the path."""
    body = {"id": "42", "inputs": [pixel_input(data=PIXELS.tolist())], "surprise": {"a": 1}}

    answer = client.post("/v2/models/colours/versions/1/infer", json=body).json()

    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("colours", "1", "42")
    assert [each["name"] for each in answer["outputs"]] == ["labels", "probabilities", "scores"]
    assert [each["shape"] for each in answer["outputs"]] == [[3], [3, 3], [3, 3]]
    assert "id" not in client.post(INFER, json={"inputs": body["inputs"]}).json()


def test_only_what_is_asked_for_is_given_and_computed(client: httpx.Client) -> None:
    """Contributions come to those who name them, and add up to the scores."""
    asked = [{"name": "contributions"}, {"name": "scores"}]

    answer = client.post(
        INFER, json={"inputs": [pixel_input(data=PIXELS.tolist())], "outputs": asked}
    )

    found = outputs(answer)
    assert list(found) == ["contributions", "scores"]
    total = np.array(found["contributions"]).reshape(3, 2, 3).sum(axis=1)
    np.testing.assert_allclose(total.ravel(), found["scores"], atol=1e-5)


def test_binary_outputs_follow_the_json_part(client: httpx.Client) -> None:
    """For all outputs or for one; each says its size, and they come in the order of the JSON."""
    asked = [
        {"name": "scores"},
        {"name": "labels", "parameters": {"binary_data": False}},
        {"name": "probabilities"},
    ]

    answer = post_binary(
        client,
        pixel_input(),
        PIXELS.tobytes(),
        outputs=asked,
        parameters={"binary_data_output": True},
    )

    length = int(answer.headers[JSON_LENGTH])
    scores, labels, probabilities = httpx.Response(200, content=answer.content[:length]).json()[
        "outputs"
    ]
    numbers = np.frombuffer(answer.content[length:], "<f4").reshape(2, 3, 3)
    assert (scores["parameters"], probabilities["parameters"]) == ({"binary_data_size": 36},) * 2
    assert labels["data"] == ["red", "blue", "green"]
    np.testing.assert_allclose(numbers[0], FakeSession()(PIXELS).scores, atol=1e-6)
    np.testing.assert_allclose(numbers[1].sum(axis=1), 1, atol=1e-6)


def test_classification_words_the_highest_values(client: httpx.Client) -> None:
    """Value, index and label, the highest first; more than there are gives all."""
    asked = [
        {"name": "scores", "parameters": {"classification": 2}},
        {"name": "probabilities", "parameters": {"classification": 99}},
    ]

    answer = client.post(
        INFER,
        json={"inputs": [pixel_input(PIXELS[:1], data=PIXELS[:1].tolist())], "outputs": asked},
    ).json()

    scores, probabilities = answer["outputs"]
    assert (scores["datatype"], scores["shape"]) == ("BYTES", [1, 2])
    assert probabilities["shape"] == [1, 3]
    value, index, label = scores["data"][0].split(":")
    assert (int(index), label) == (2, "red")
    assert float(value) == pytest.approx(FakeSession()(PIXELS[:1]).scores.max())


TENSOR = pixel_input(PIXELS[:1], data=PIXELS[:1].tolist())
BAD: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "missing required field `inputs`"),
    ({"inputs": []}, 400, "there must be one input, 'images', not 0"),
    ({"inputs": [TENSOR, TENSOR]}, 400, "there must be one input, 'images', not 2"),
    ({"inputs": [TENSOR] * 5}, 400, "at most length 4; there may be 4 inputs of 8 axes"),
    ({"inputs": [{**TENSOR, "shape": [1] * 9}]}, 400, "at most length 8"),
    ({"inputs": [TENSOR], "outputs": [{"name": "scores"}] * 17}, 400, "at most length 16"),
    ({"inputs": [{**TENSOR, "name": "x"}]}, 400, "no input 'x'; the one input is 'images'"),
    ({"inputs": [{**TENSOR, "datatype": "FP32"}]}, 400, "16, 3] or BYTES [N], not FP32"),
    ({"inputs": [{**TENSOR, "shape": [1, 8, 8, 3]}]}, 400, "not UINT8 [1, 8, 8, 3]"),
    ({"inputs": [{**TENSOR, "shape": []}]}, 400, "needs a shape"),
    ({"inputs": [{**TENSOR, "shape": [-1, 16, 16, 3]}]}, 400, "Expected `int` >= 0"),
    ({"inputs": [{**TENSOR, "shape": [10**30]}]}, 400, "Expected `int`"),
    ({"inputs": [{**TENSOR, "shape": [0, 16, 16, 3]}]}, 400, "holds no image"),
    ({"inputs": [{**TENSOR, "shape": [5, 16, 16, 3]}]}, 413, "5 images, the limit is 4"),
    ({"inputs": [{**TENSOR, "data": [1, 2]}]}, 400, "has 768 numbers, data has 2"),
    ({"inputs": [{**TENSOR, "data": [256] * 768}]}, 400, "must be from 0 to 255"),
    ({"inputs": [{**TENSOR, "data": [-1] * 768}]}, 400, "must be from 0 to 255"),
    ({"inputs": [{**TENSOR, "data": [[[[1, 2, 3]] * 256]]}]}, 400, "flat or nested"),
    ({"inputs": [{**TENSOR, "data": [0.5] * 768}]}, 400, "Expected `int`, got `float`"),
    ({"inputs": [{**TENSOR, "data": None}]}, 400, "neither data nor binary_data_size"),
    ({"inputs": [file_input(FILES, data=["x"])]}, 400, "has 2 elements, data has 1"),
    ({"inputs": [file_input(FILES, data=["?", "?"])]}, 400, "image 1 is not base64"),
    ({"inputs": [file_input([b""], data=texts([b"text"]))]}, 400, "are not an image"),
    ({"inputs": [file_input([b""], data=texts([encoded(textured(8, 8), "GIF")]))]}, 400, "is GIF"),
    ({"inputs": [{**TENSOR, "parameters": {"binary_data_size": 768}}]}, 400, "0 bytes follow"),
    ({"inputs": [TENSOR], "outputs": [{"name": "x"}]}, 400, "no output 'x'; there are labels,"),
    ({"inputs": [TENSOR], "outputs": [{"name": "evidence"}]}, 400, "no output 'evidence'"),
    ({"inputs": [TENSOR], "outputs": [{"name": "scores"}] * 2}, 400, "asked for twice"),
    (
        {"inputs": [TENSOR], "outputs": [{"name": "labels", "parameters": {"classification": 1}}]},
        400,
        "probabilities and scores are",
    ),
    (
        {"inputs": [TENSOR], "outputs": [{"name": "scores", "parameters": {"classification": 0}}]},
        400,
        "must be 1 or more",
    ),
    (
        {"inputs": [TENSOR], "outputs": [{"name": "scores", "parameters": {"binary_data": 1}}]},
        400,
        "binary_data must be bool, not int",
    ),
    ({"inputs": [TENSOR], "parameters": {"timeout": "soon"}}, 400, "timeout must be int"),
    ({"inputs": [TENSOR], "parameters": {"timeout": -1}}, 400, "timeout must be 0 or more, not -1"),
    ({"inputs": [TENSOR], "parameters": {"timeout": 10**400}}, 400, "timeout is beyond 64 bits"),
    ({"inputs": [TENSOR], "parameters": []}, 400, "Expected `object | null`, got `array`"),
]


@pytest.mark.parametrize(("body", "status", "message"), BAD)
def test_what_is_wrong_is_said(
    client: httpx.Client, body: dict[str, Any], status: int, message: str
) -> None:
    """In the protocol's form, with what was found and what is expected."""
    answer = client.post(INFER, json=body)

    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("tensor", "tail", "headers", "message"),
    [
        (pixel_input(), b"\0" * 10, {}, "has 2304 bytes, not 10"),
        (
            file_input(FILES),
            elements(FILES)[:-1],
            {},
            "element 2 of 2 ends 1 bytes behind the data",
        ),
        (file_input(FILES), elements(FILES) + b"xyz", {}, "3 bytes follow the 2 elements"),
        (file_input(FILES), b"\xff\xff", {}, "element 1 of 2 ends 2 bytes behind the data"),
        (pixel_input(), b"\0" * 2304, {JSON_LENGTH: "99999"}, "the body has"),
        (pixel_input(), b"\0" * 2304, {JSON_LENGTH: "-1"}, "must be a whole number of bytes"),
        (pixel_input(), b"\0" * 2304, {JSON_LENGTH: "20"}, "not JSON"),
        (pixel_input(), b"", {"Content-Encoding": "gzip"}, "send it without compression"),
    ],
)
def test_sizes_that_lie_are_told_so(
    client: httpx.Client, tensor: dict[str, Any], tail: bytes, headers: dict[str, str], message: str
) -> None:
    """Binary sizes and lengths are held against each other and the body."""
    body, own = binary(tensor, tail)

    answer = client.post(INFER, content=body, headers=own | headers)

    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert message in answer.json()["error"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"inputs": ' + b"[" * 100_000, b"\xff", b"{"])
def test_what_is_no_json_is_a_400(client: httpx.Client, body: bytes) -> None:
    """However deep it goes."""
    assert client.post(INFER, content=body).status_code == 400


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x", "no version of a model 'x' is active"),
        ("colours/versions/9", "there is no version colours/9"),
        ("colours/versions/x", "bad version 'x'"),
        ("%20", "bad model name ' '"),
    ],
)
def test_a_model_that_is_not_there_is_unknown(
    client: httpx.Client, path: str, message: str
) -> None:
    """404 says what is missing."""
    answer = client.post(f"/v2/models/{path}/infer", json={"inputs": [TENSOR]})

    assert (answer.status_code, list(answer.json())) == (404, ["error"])
    assert message in answer.json()["error"]


def test_a_deadline_is_kept(client: httpx.Client) -> None:
    """Of the header or of the parameter, in microseconds; 0 is none there, as Triton has it."""
    body = {"inputs": [TENSOR], "parameters": {"timeout": 10_000_000}}

    good = client.post(INFER, json=body)
    none = client.post(INFER, json={**body, "parameters": {"timeout": 0}})
    bad = client.post(INFER, json=body, headers={"X-Request-Timeout-Ms": "0"})

    assert (good.status_code, none.status_code, bad.status_code) == (200, 200, 504)
    assert list(bad.json()) == ["error"]
