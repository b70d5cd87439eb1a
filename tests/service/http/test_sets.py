"""Sets of classes with a confidence, and the layer at which an answer settled, over HTTP."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from model.artifact.conformal import ConformalScale
from model.artifact.manifest import Manifest
from model.artifact.outputs import Outputs
from model.artifact.runtime import OnnxSession
from model.artifact.settling import settling_layers
from service.engine import decoder
from service.http.schemas import ExplainResponse, PredictResponse
from service.settings import Settings
from tests.pictures import blended, encoded
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel

SHARES = (0.0, 0.2, 0.35, 0.45, 0.5, 0.55, 0.65, 0.8)
PAIRS = (("red", "blue"), ("blue", "green"), ("green", "red"))
# From those of which a network is sure to those of which nobody can be.
FILES = [encoded(blended(*pair, share)) for pair in PAIRS for share in SHARES]
# So many that 0.99 need not be all classes; the true ones were given 0.01 to 0.99.
SCALE = ConformalScale.of(np.arange(1, 100) / 100)


def calibrated(small: SmallModel, scale: ConformalScale | None = SCALE) -> SmallModel:
    """Give a small model another calibration, or none."""
    manifest = small.manifest.model_copy(update={"conformal": scale})
    return SmallModel(small.run, small.model, manifest, small.graphs)


@pytest.fixture(scope="module")
def small(small_models: list[SmallModel]) -> SmallModel:
    """Take a model trained for real, calibrated by as many images as a real one would be."""
    return calibrated(small_models[0])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, small: SmallModel) -> Iterator[httpx.Client]:
    """Serve it."""
    root = tmp_path_factory.mktemp("sets")
    filled_repository(root, [small])
    with served(app_on(root)) as client:
        yield client


@pytest.fixture(scope="module")
def alone(small: SmallModel) -> Outputs:
    """Ask the model itself, without the service."""
    return OnnxSession(small.model, "cpu")(decoder(Settings())(FILES, 16, 16))


def predicted(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    """Ask about all pictures."""
    files = [("image", (f"{place}.png", file)) for place, file in enumerate(FILES)]
    answer = client.post(f"/predict?{query}", files=files)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


@pytest.mark.parametrize("confidence", [0.3, 0.9, 0.99, 0.995, 1])
def test_a_set_has_the_classes_above_the_limit(
    client: httpx.Client, alone: Outputs, confidence: float
) -> None:
    """The top class, and all whose probability is at least what the calibration says."""
    found = predicted(client, f"confidence={confidence}&top_k=3")

    least = 1 - SCALE.limit(confidence)
    for prediction, probabilities in zip(found, alone.probabilities, strict=True):
        labels = [each["label"] for each in prediction["classes"]]
        probable = int((probabilities >= least - 1e-6).sum())
        assert prediction["conformal_set"] == labels[: max(1, probable)]
    assert confidence < 0.995 or all(len(each["conformal_set"]) == 3 for each in found)


def test_sets_differ_in_size_and_never_depend_on_top_k(client: httpx.Client) -> None:
    """A set may be longer than the list of classes."""
    found = predicted(client, "confidence=0.99&top_k=1")

    assert {len(each["classes"]) for each in found} == {1}
    sets = [each["conformal_set"] for each in found]
    assert sets == [each["conformal_set"] for each in predicted(client, "confidence=0.99")]
    assert [each[0] for each in sets] == [each["label"] for each in found]
    assert max(map(len, sets)) > 1


def test_three_ways_to_ask_give_one_set(client: httpx.Client) -> None:
    """In the query, beside the file in a form, in JSON; and without asking there is none."""
    image = {"image": ("a.png", FILES[0])}
    text = base64.b64encode(FILES[0]).decode()

    answers = [
        client.post("/predict?confidence=0.9", content=FILES[0]),
        client.post("/predict", data={"confidence": "0.9"}, files=image),
        client.post("/predict", json={"images": [text], "confidence": 0.9}),
    ]

    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert answers[0].json()["predictions"][0]["conformal_set"]
    plain = client.post("/predict", content=FILES[0]).json()["predictions"][0]
    assert "conformal_set" not in plain


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("confidence", ["0", "-0.5", "1.01", "nan", "inf", "much", ""])
def test_what_is_no_probability_is_refused(
    client: httpx.Client, path: str, confidence: str
) -> None:
    """422 that names the option."""
    answer = client.post(f"{path}?confidence={confidence}", content=FILES[0])

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("bad-option")
    assert "confidence" in answer.json()["detail"]


def test_a_json_body_is_refused_likewise(client: httpx.Client) -> None:
    """422 that names the field."""
    text = base64.b64encode(FILES[0]).decode()

    answer = client.post("/predict", json={"images": [text], "confidence": 2})

    assert answer.status_code == 422
    assert "confidence" in answer.json()["detail"]


def test_a_version_without_calibration_says_how_to_get_it(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """409 of both paths, before anything is run; without the option both answer."""
    filled_repository(tmp_path, [calibrated(small_models[0], None)])

    with served(app_on(tmp_path)) as client:
        refused = [client.post(f"{p}?confidence=0.9", content=FILES[0]) for p in PATHS]
        runs = client.get("/metrics").text
        answered = [client.post(path, content=FILES[0]) for path in PATHS]

    assert [each.status_code for each in (*refused, *answered)] == [409, 409, 200, 200]
    for each in refused:
        assert each.json()["type"].endswith("no-calibration")
        assert "goodserve-train calibrate" in each.json()["detail"]
    assert "goodserve_batch_size_count 0.0" in runs


PATHS = ("/predict", "/explain")


def test_explain_says_the_same_of_an_image(client: httpx.Client) -> None:
    """Set, settled layer and familiarity stand in both answers, and are equal."""
    said = ("conformal_set", "settled_at", "is_familiar")

    for file in FILES[:4]:
        short = client.post("/predict?explain=true&confidence=0.95", content=file)
        long = client.post("/explain?confidence=0.95", content=file)

        (one,), (other,) = short.json()["predictions"], long.json()["explanations"]
        assert {name: one[name] for name in said} == {name: other[name] for name in said}
        assert one["familiarity"] == pytest.approx(other["familiarity"], abs=0.01)
        PredictResponse.model_validate_json(short.content, strict=True)
        read = ExplainResponse.model_validate_json(long.content, strict=True)
        assert read.explanations[0].settled_at.layer == other["settled_at"]["layer"]


def test_explain_says_how_familiar_several_images_are(client: httpx.Client) -> None:
    """More than one run takes; each as it is alone."""
    files = [("image", (f"{place}.png", file)) for place, file in enumerate(FILES)]

    explained = client.post("/explain?classes=red", files=files).json()["explanations"]

    found = [each["familiarity"] for each in explained]
    expected = [each["familiarity"] for each in predicted(client, "")]
    assert found == pytest.approx(expected, abs=0.01)
    assert len(set(found)) > 2


def test_an_explained_answer_says_where_it_settled(
    client: httpx.Client, alone: Outputs, small: SmallModel
) -> None:
    """By the contributions of all classes, whatever `top_k` is; only where it is asked for."""
    found = predicted(client, "explain=true&top_k=1")

    assert alone.contributions is not None
    names = [layer.name for layer in small.manifest.layers]
    expected = settling_layers(alone.contributions, alone.scores).tolist()
    assert [each["settled_at"]["index"] for each in found] == expected
    assert [each["settled_at"]["layer"] for each in found] == [names[i] for i in expected]
    assert not any("settled_at" in each for each in predicted(client, ""))


@pytest.mark.parametrize("path", PATHS)
def test_the_description_names_the_option_and_what_it_brings(
    client: httpx.Client, path: str
) -> None:
    """With its bounds, in the query and in both bodies, and 409 among the answers."""
    description = client.get("/openapi.json").json()
    operation = description["paths"][path]["post"]

    (option,) = (each for each in operation["parameters"] if each["name"] == "confidence")
    number = option["schema"]
    assert (number["exclusiveMinimum"], number["maximum"]) == (0, 1)
    assert "409" in operation["responses"]
    answer = "Prediction" if path == "/predict" else "Explanation"
    fields = description["components"]["schemas"][answer]["properties"]
    assert {"conformal_set", "settled_at", "familiarity", "is_familiar"} <= set(fields)
    if path == "/predict":
        content = operation["requestBody"]["content"]
        for kind in ("multipart/form-data", "application/json"):
            assert "confidence" in content[kind]["schema"]["properties"]


def test_a_calibration_of_few_images_gives_all_classes_at_high_confidence(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """What the small run's own validation images cannot show is not claimed."""
    manifest: Manifest = small_models[0].manifest
    assert manifest.conformal is not None
    assert manifest.conformal.n < 10
    filled_repository(tmp_path, small_models[:1])

    with served(app_on(tmp_path)) as client:
        found = predicted(client, "confidence=0.99")

    assert all(len(each["conformal_set"]) == 3 for each in found)
