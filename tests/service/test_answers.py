"""Answers: three ways to send, top classes, exact explanations, metrics, listings."""

import base64
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model.artifact.image import to_pixels
from tests.pictures import coloured, encoded
from tests.service.models import app_on, filled_repository, scores_alone, served
from tests.trained import SmallModel

PICTURES = [coloured(label, seed) for seed, label in enumerate(("red", "blue", "green", "red"))]
FILES = [encoded(picture) for picture in PICTURES]


@pytest.fixture(scope="module")
def client(
    small_models: list[SmallModel], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Serve a small model for real."""
    root = tmp_path_factory.mktemp("answers")
    filled_repository(root, small_models)
    with served(app_on(root)) as client:
        yield client


def send(client: httpx.Client, way: str) -> httpx.Response:
    """Send the first picture in one of three ways."""
    if way == "raw":
        return client.post("/predict", content=FILES[0])
    if way == "json":
        return client.post("/predict", json={"images": [base64.b64encode(FILES[0]).decode()]})
    return client.post("/predict", files={"image": ("red.png", FILES[0])})


def test_three_ways_to_send_give_one_answer(client: httpx.Client) -> None:
    """Multipart, raw and JSON carry the same picture to the same answer."""
    answers = [send(client, way).json() for way in ("raw", "json", "multipart")]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["model"] == {"name": "colours", "version": "1"}
    assert answers[0]["predictions"][0]["label"] == "red"


def test_the_answer_has_the_documented_form(client: httpx.Client) -> None:
    """Classes come most probable first; the first one is the label; nothing else is told."""
    (prediction,) = send(client, "raw").json()["predictions"]

    classes = prediction["classes"]
    assert [set(c) for c in classes] == [{"label", "probability", "goodness"}] * 3
    assert classes == sorted(classes, key=lambda c: -c["probability"])
    assert (prediction["label"], prediction["probability"]) == (
        classes[0]["label"],
        classes[0]["probability"],
    )
    assert sum(c["probability"] for c in classes) == pytest.approx(1)
    assert sum(c["goodness"] for c in classes) == pytest.approx(0, abs=1e-5)


def test_many_images_come_back_in_their_order(
    client: httpx.Client, small_models: list[SmallModel]
) -> None:
    """Each image's scores are those it has alone."""
    files = [("image", (f"{i}.png", data)) for i, data in enumerate(FILES)]

    predictions = client.post("/predict", files=files).json()["predictions"]

    pixels = np.stack([to_pixels(picture, 16, 16) for picture in PICTURES])
    expected = scores_alone(small_models[0].model, pixels)
    for prediction, scores in zip(predictions, expected, strict=True):
        found = {c["label"]: c["goodness"] for c in prediction["classes"]}
        assert list(found.values()) == pytest.approx(sorted(scores, reverse=True), abs=1e-4)
    assert [p["label"] for p in predictions] == ["red", "blue", "green", "red"]


@pytest.mark.parametrize("way", ["query", "form", "json"])
def test_explanations_sum_to_the_score(client: httpx.Client, way: str) -> None:
    """Asked for in any of three places, the layers' contributions add up exactly."""
    if way == "query":
        response = client.post("/predict?explain=true&top_k=2", content=FILES[0])
    elif way == "form":
        data = {"explain": "true", "top_k": "2"}
        response = client.post("/predict", data=data, files={"image": ("a.png", FILES[0])})
    else:
        image = base64.b64encode(FILES[0]).decode()
        response = client.post("/predict", json={"images": [image], "explain": True, "top_k": 2})

    classes = response.json()["predictions"][0]["classes"]
    assert len(classes) == 2
    for each in classes:
        parts = [layer["contribution"] for layer in each["layers"]]
        assert [layer["layer"] for layer in each["layers"]] == ["stem", "block2"]
        assert abs(sum(parts) - each["goodness"]) <= 1e-5 * sum(map(abs, parts))


def test_the_body_wins_over_the_query(client: httpx.Client) -> None:
    """What stands nearer to the image counts."""
    data, files = {"top_k": "1"}, {"image": ("a.png", FILES[0])}

    response = client.post("/predict?top_k=3", data=data, files=files)

    assert len(response.json()["predictions"][0]["classes"]) == 1


def test_more_classes_than_there_are_gives_all(client: httpx.Client) -> None:
    """A top_k beyond K is no error."""
    response = client.post("/predict?top_k=99", content=FILES[0])

    assert len(response.json()["predictions"][0]["classes"]) == 3


def test_models_lists_what_there_is(client: httpx.Client) -> None:
    """Every version with its labels, size and accuracy, and which one serves."""
    answer = client.get("/models").json()

    assert answer["serving"] == {"name": "colours", "version": "1"}
    assert answer["device"] == "cpu"
    assert [(v["version"], v["is_active"]) for v in answer["versions"]] == [
        ("1", True),
        ("2", False),
        ("3", False),
    ]
    assert answer["versions"][0]["labels"] == ["blue", "green", "red"]
    assert answer["versions"][0]["accuracy_n"] > 0


def metric(client: httpx.Client, name: str) -> float:
    """Read one number off /metrics."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " "))


def test_metrics_count_what_happens(client: httpx.Client) -> None:
    """Outcomes, latency, batch sizes, queue depth and the active version."""
    good, bad = 'goodserve_requests_total{outcome="ok"}', "goodserve_requests_total{outcome="
    send(client, "raw")
    before = metric(client, good), metric(client, bad + '"client_error"}')

    send(client, "raw")
    client.post("/predict", content=b"text")
    client.post("/predict?top_k=0", content=FILES[0])

    assert metric(client, good) == before[0] + 1
    assert metric(client, bad + '"client_error"}') == before[1] + 2
    assert metric(client, "goodserve_batch_size_count") > 0
    assert metric(client, "goodserve_request_duration_seconds_count") > 0
    assert metric(client, "goodserve_queue_depth") == 0
    assert metric(client, 'goodserve_active_version{name="colours",version="1"}') == 1


def test_the_documentation_shows_every_way_to_send(client: httpx.Client) -> None:
    """OpenAPI names the content types and the problem format."""
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]

    assert {"multipart/form-data", "application/json", "image/png"} <= set(
        operation["requestBody"]["content"]
    )
    assert {"200", "400", "413", "415", "422", "503"} <= set(operation["responses"])
    assert set(operation["responses"]["400"]["content"]) == {"application/problem+json"}
    assert {p["name"] for p in operation["parameters"]} == {"top_k", "explain"}
    assert client.get("/docs").status_code == 200


def test_callers_at_once_share_runs_and_keep_their_own_rows(
    client: httpx.Client, small_models: list[SmallModel]
) -> None:
    """Sixteen threads, each with its own pictures, each with its own right answers."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (16, 16, 16, 3), np.uint8)
    expected = scores_alone(small_models[0].model, pixels)
    wrong: list[str] = []

    def work(index: int) -> None:
        body = encoded(Image.fromarray(pixels[index]))
        for _ in range(20):
            answer = client.post("/predict", content=body).json()["predictions"][0]["classes"]
            found = [c["goodness"] for c in answer]
            if found != pytest.approx(sorted(expected[index], reverse=True), abs=1e-4):
                wrong.append(f"{index}: {found}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_without_a_model_the_service_lives_but_is_not_ready(tmp_path: Path) -> None:
    """An empty repository is no crash: 503 says what to do, and liveness is 200."""
    with served(app_on(tmp_path)) as client:
        predicted, ready = client.post("/predict", content=FILES[0]), client.get("/health/ready")
        live = client.get("/health/live")

    assert (predicted.status_code, ready.status_code, live.status_code) == (503, 503, 200)
    assert predicted.headers["retry-after"] == "1"
    assert "no model is loaded; publish one" in predicted.json()["detail"]
    assert ready.json() == {"status": "not ready"}


def test_too_many_requests_are_turned_away(small_models: list[SmallModel], tmp_path: Path) -> None:
    """Beyond the limit of requests in flight a caller gets 503, and others are served."""
    filled_repository(tmp_path, small_models[:1])
    statuses: list[int] = []

    with served(app_on(tmp_path, max_concurrent_requests=1)) as client:

        def work() -> None:
            statuses.extend(
                client.post("/predict", content=FILES[0]).status_code for _ in range(25)
            )

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert set(statuses) == {200, 503}


def test_a_body_that_does_not_come_is_given_up(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """A caller who stops in the middle of a body is told so, and its place is free again."""
    filled_repository(tmp_path, small_models[:1])
    settings = {"read_timeout_s": 0.2, "max_concurrent_requests": 1}

    with served(app_on(tmp_path, **settings)) as client:
        url = client.base_url
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n"
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            connection.sendall(head + FILES[0][:10])
            answer = connection.recv(4096)
            is_closed = connection.recv(4096) == b""
        assert client.post("/predict", content=FILES[0]).status_code == 200

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer
    assert b"the body did not come within 0.2 s" in answer
    assert is_closed


def test_bodies_together_may_hold_so_many_bytes(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """While one large body waits for its end, another gets 503; then there is room again."""
    filled_repository(tmp_path, small_models[:1])
    settings = {"max_request_bytes": 30_000, "max_bytes_in_flight": 30_000, "read_timeout_s": 5}

    with served(app_on(tmp_path, **settings)) as client:
        url = client.base_url
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n"
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            connection.sendall(head + b"x" * 29_999)
            until_status(client, 503)
            connection.sendall(b"x")
            assert connection.recv(4096).startswith(b"HTTP/1.1 400")
        until_status(client, 200)


def until_status(client: httpx.Client, status: int) -> None:
    """Send until the answer has this status."""
    deadline = time.monotonic() + 5
    while client.post("/predict", content=FILES[0]).status_code != status:
        assert time.monotonic() < deadline
