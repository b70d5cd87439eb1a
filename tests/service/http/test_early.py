"""Answers given early, of the bundled model: what they do not say."""

from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
import torch

from model.artifact.anytime import softmax
from model.artifact.manifest import Manifest
from model.artifact.outputs import FAMILIARITY, LAYERS_USED, Outputs
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository, StoredVersion
from model.artifact.runtime import OnnxSession, OnnxStage
from model.artifact.version import VersionId
from service.engine import decoder
from service.predict.answers import familiarity_of
from service.predict.anytime import AnytimeSession
from service.settings import Settings
from tests.pictures import blended, encoded
from tests.service.models import app_on, served
from training.data.dataset import Split
from training.publish.anytime import cut_in_two

SHARES = (0.0, 0.2, 0.35, 0.45, 0.5, 0.55, 0.65, 0.8)
PAIRS = (("red", "blue"), ("blue", "green"), ("green", "red"))
# From those of which a network is sure to those of which nobody can be.
FILES = [encoded(blended(*pair, share)) for pair in PAIRS for share in SHARES]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ModelRepository:
    """Publish the bundled model so that it stops after two layers for half of the pictures."""
    bundled, repository = (
        ModelRepository(BUNDLED_REPOSITORY),
        ModelRepository(tmp_path_factory.mktemp("early")),
    )
    active = bundled.active()
    assert active is not None
    stored = bundled.read(active)
    repository.publish("cifar10", stored.model, stored.manifest, stored.graphs)
    pixels = decoder(Settings())(FILES, 32, 32)
    drawn = Split(torch.from_numpy(pixels), torch.arange(len(pixels)) % 10)
    cut = cut_in_two(stored, drawn, prefix_layers=2)
    assert cut.manifest.anytime is not None
    described = cut.manifest.anytime.model_dump()
    scores = OnnxStage(cut.graphs["prefix.onnx"], "cpu")(pixels)["contributions"].sum(axis=1)
    sure = float(np.median(softmax(scores, described["temperature"]).max(axis=1)))
    anytime = {**described, "thresholds": [{"confidence": 0.9, "probability": sure}]}
    manifest = Manifest.model_validate({**cut.manifest.model_dump(), "anytime": anytime})
    repository.activate(repository.publish("cifar10", stored.model, manifest, cut.graphs))
    return repository


@pytest.fixture(scope="module")
def cut(repository: ModelRepository) -> StoredVersion:
    """Read it back."""
    return repository.read(VersionId("cifar10", "2"))


def stopping(cut: StoredVersion, confidence: Callable[[], float | None]) -> AnytimeSession:
    """Open it as the service does."""
    prefix, suffix = (OnnxStage(cut.graphs[f"{part}.onnx"], "cpu") for part in ("prefix", "suffix"))
    whole = OnnxSession(cut.model, "cpu")
    return AnytimeSession(cut.manifest, whole, (prefix, suffix), confidence)


@pytest.fixture(scope="module")
def client(repository: ModelRepository) -> Iterator[httpx.Client]:
    """Serve it, stopping early."""
    with served(app_on(repository.root, anytime=0.9)) as client:
        yield client


def test_an_early_answer_does_not_say_how_familiar_an_image_is(client: httpx.Client) -> None:
    """Null, as for images whose layers all ran in two parts; the rest of the answer is there."""
    files = [("image", (f"{place}.png", file)) for place, file in enumerate(FILES)]

    answer = client.post("/predict?explain=true&confidence=0.5", files=files)

    found = answer.json()["predictions"]
    assert {each["layers_used"] for each in found} == {2, 4}
    for each in found:
        assert each["familiarity"] is each["is_familiar"] is None
        assert (each["conformal_set"] is None) == (each["layers_used"] == 2)
        assert each["settled_at"]["index"] < each["layers_used"]
    text = client.get("/metrics").text
    assert "goodserve_drift_index{" not in text
    early = sum(each["layers_used"] == 2 for each in found)
    assert f'goodserve_early_images_total{{name="cifar10",version="2"}} {early}.0' in text
    assert 'goodserve_top_goodness_count{name="cifar10",version="2"} 24.0' in text


def test_explain_is_about_the_whole_network_all_the_same(client: httpx.Client) -> None:
    """It never stops early, so it says everything."""
    answer = client.post("/explain?confidence=0.5", content=FILES[0])

    (found,) = answer.json()["explanations"]
    assert 0 <= found["familiarity"] <= 100
    assert isinstance(found["is_familiar"], bool)
    assert found["conformal_set"]


def test_pieces_with_and_without_stopping_keep_what_each_says(cut: StoredVersion) -> None:
    """A long request may be answered partly early, as the load changes; nothing is lost."""
    confidences = iter([None, 0.9, None])
    session = stopping(cut, lambda: next(confidences))
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)

    outputs = Outputs.joined([session(images) for _ in range(3)])

    found = familiarity_of(cut.manifest, outputs.optional[FAMILIARITY])
    assert found is not None
    assert [each is None for each in found] == [False] * 4 + [True] * 4 + [False] * 4
    assert found[:4] == found[8:]
    assert len(outputs.optional[LAYERS_USED]) == 12


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_a_session_says_nothing_that_was_not_asked_for(
    cut: StoredVersion, confidence: float | None
) -> None:
    """Without the output in what is wanted it is not there, early or not."""
    pixels = np.zeros((2, 32, 32, 3), np.uint8)

    outputs = stopping(cut, lambda: confidence)(pixels, ["scores", "probabilities"])

    assert set(outputs.optional) == {LAYERS_USED}


def test_where_nothing_may_stop_all_is_said(repository: ModelRepository) -> None:
    """Off, the same version says how familiar an image is and gives sets."""
    with served(app_on(repository.root)) as client:
        answer = client.post("/predict?confidence=0.9", content=FILES[0])

    (found,) = answer.json()["predictions"]
    assert found["familiarity"] is not None
    assert found["conformal_set"]
