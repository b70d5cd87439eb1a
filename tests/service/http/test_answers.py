"""Answers: three ways to send, top classes, exact explanations, metrics, listings."""

import base64
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model.artifact.image import Pixels, to_pixels
from model.artifact.outputs import Outputs
from service.app import create_app
from service.http.schemas import PredictResponse
from service.settings import Settings
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeDecode, FakeSession, fake_repository
from tests.service.models import fake_app_on, served

PICTURES = [coloured(label, seed) for seed, label in enumerate(("red", "blue", "green", "red"))]
FILES = [encoded(picture) for picture in PICTURES]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake session that knows three colours, over real sockets."""
    root = tmp_path_factory.mktemp("answers")
    fake_repository(root, versions=3)
    with served(fake_app_on(root)) as client:
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
    assert set(prediction) == {"label", "probability", "classes", "layers_used"}
    assert prediction["layers_used"] == 2  # all the fake network has
    assert [set(c) for c in classes] == [{"label", "probability", "goodness"}] * 3
    assert classes == sorted(classes, key=lambda c: -c["probability"])
    assert (prediction["label"], prediction["probability"]) == (
        classes[0]["label"],
        classes[0]["probability"],
    )
    assert sum(c["probability"] for c in classes) == pytest.approx(1)
    assert sum(c["goodness"] for c in classes) == pytest.approx(0, abs=1e-5)


def test_many_images_come_back_in_their_order(client: httpx.Client) -> None:
    """Each image's scores are those it has alone."""
    files = [("image", (f"{i}.png", data)) for i, data in enumerate(FILES)]

    predictions = client.post("/predict", files=files).json()["predictions"]

    pixels = np.stack([to_pixels(picture, 16, 16) for picture in PICTURES])
    expected = FakeSession()(pixels).scores
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


def test_a_wrong_option_in_the_query_is_refused_where_the_body_wins(client: httpx.Client) -> None:
    """It would never be noticed otherwise."""
    data, files = {"top_k": "1"}, {"image": ("a.png", FILES[0])}

    response = client.post("/predict?top_k=none", data=data, files=files)

    assert response.status_code == 422


def test_more_classes_than_there_are_gives_all(client: httpx.Client) -> None:
    """A top_k beyond K is no error."""
    response = client.post("/predict?top_k=99", content=FILES[0])

    assert len(response.json()["predictions"][0]["classes"]) == 3


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
    duration = "goodserve_request_duration_seconds_count"
    assert metric(client, duration + '{name="colours",outcome="ok"}') >= before[0] + 1
    assert metric(client, duration + '{name="colours",outcome="client_error"}') >= before[1] + 2
    assert metric(client, duration + '{outcome="server_error"}') == 0
    assert "_created" not in client.get("/metrics").text
    assert metric(client, "goodserve_queue_depth") == 0
    assert metric(client, 'goodserve_active_version{name="colours",version="1"}') == 1


def test_the_documentation_shows_every_way_to_send(client: httpx.Client) -> None:
    """OpenAPI names the content types and the problem format."""
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]

    assert {"multipart/form-data", "application/json", "image/png"} <= set(
        operation["requestBody"]["content"]
    )
    assert {"200", "400", "409", "413", "415", "422", "429", "500", "503", "504"} <= set(
        operation["responses"]
    )
    assert set(operation["responses"]["400"]["content"]) == {"application/problem+json"}
    assert {p["name"] for p in operation["parameters"]} == {
        "top_k",
        "explain",
        "confidence",
        "X-Model-Version",
        "X-Request-Timeout-Ms",
        "X-Routing-Key",
    }
    assert client.get("/docs").status_code == 200


def test_callers_at_once_share_runs_and_keep_their_own_rows(client: httpx.Client) -> None:
    """Sixteen threads, each with its own pictures, each with its own right answers."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (16, 16, 16, 3), np.uint8)
    expected = FakeSession()(pixels).scores
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


def test_a_model_that_answers_nan_is_not_served(tmp_path: Path) -> None:
    """A 500 that is counted, never a 200 with nulls; readiness turns red until it is replaced."""
    fake_repository(tmp_path)
    session = SickSession()

    with served(fake_app_on(tmp_path, session=session, poll_interval_s=60)) as client:
        session.is_sick = True
        answer, ready = client.post("/predict", content=FILES[0]), client.get("/health/ready")
        failures = metric(client, 'goodserve_requests_total{outcome="server_error"}')

    assert (answer.status_code, answer.json()["type"][-16:]) == (500, "inference-failed")
    assert ready.status_code == 503
    assert ready.json()["trouble"] == "colours/1: it answered NaN or infinity"
    assert failures == 1


class SickSession(FakeSession):
    """A session whose weights break while it serves."""

    is_sick = False

    def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        """Answer, or answer with what is no number."""
        outputs = super().__call__(pixels, wanted)
        return outputs._replace(scores=outputs.scores * np.nan) if self.is_sick else outputs


def test_a_bug_in_decoding_is_a_500(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the picture is not called damaged."""
    fake_repository(tmp_path)
    settings = Settings(repository=tmp_path, device="cpu")
    decode = FakeDecode({FILES[0][0]: TypeError("a planted bug")})

    with served(create_app(settings, lambda _model, _threads: FakeSession(), decode)) as client:
        answer = client.post("/predict", content=FILES[0])

    assert (answer.status_code, answer.json()["type"][-10:]) == (500, "unexpected")
    assert "a planted bug" in caplog.text


def test_the_documented_form_is_the_answers_form(client: httpx.Client) -> None:
    """The schema in the OpenAPI document reads what is sent, field by field."""
    answer = client.post("/predict?explain=true", content=FILES[0])

    read = PredictResponse.model_validate_json(answer.content, strict=True)

    assert read.model_dump(exclude_none=True) == answer.json()
