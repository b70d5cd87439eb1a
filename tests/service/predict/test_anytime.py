"""Stopping early: who stops, what the answer then is, and that nothing changes when it is off."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.artifact.anytime import PASSED, Anytime, Threshold
from model.artifact.checks import golden_pixels
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import (
    CONTRIBUTIONS,
    LAYERS_USED,
    ContractError,
    Outputs,
    TensorSpec,
)
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession, OnnxStage
from model.artifact.version import VersionId
from service.predict.anytime import AnytimeSession, Depth, Early
from service.predict.loading import Further, RunSizes, load_version
from tests.model.artifact.tiny import TinyStages, tiny_model, tiny_stages
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, fake_manifest
from tests.service.models import app_on, served

# One colour is told from another by the prefix alone; dark ones need both layers.
SURE, UNSURE = 250, 10


def manifest(temperature: float = 1.0) -> Manifest:
    """Write the manifest of a version that stops after its first layer at probability 0.8."""
    anytime = Anytime(
        prefix_layers=1,
        passed=TensorSpec(name=PASSED, dtype="float32", shape=("N", 3)),
        prefix_sha256="0" * 64,
        suffix_sha256="0" * 64,
        temperature=temperature,
        thresholds=(
            Threshold(confidence=0.9, probability=0.5),
            Threshold(confidence=0.99, probability=0.8),
        ),
    )
    return Manifest.model_validate({**fake_manifest().model_dump(), "anytime": anytime})


class Parts:
    """The two halves of a fake session, which count the images they run on."""

    def __init__(self) -> None:
        """Begin with no runs."""
        self.whole, self.runs = FakeSession(), list[tuple[str, int]]()

    def prefix(self, pixels: Pixels) -> dict[str, NDArray[Any]]:
        """Give the first layer's quarter, and pass the pixels' mean on."""
        self.runs.append(("prefix", len(pixels)))
        contributions = self.whole(pixels).contributions
        assert contributions is not None
        return {CONTRIBUTIONS: contributions[:, :1], PASSED: contributions[:, 1:]}

    def suffix(self, passed: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Give what was passed on."""
        self.runs.append(("suffix", len(passed)))
        return {CONTRIBUTIONS: passed}


def session(
    parts: Parts, confidence: float | None = 0.99, temperature: float = 1
) -> AnytimeSession:
    """Join the parts."""
    both = (parts.prefix, parts.suffix)
    return AnytimeSession(manifest(temperature), parts.whole, both, lambda: confidence)


def pictures(*strengths: int) -> Pixels:
    """Draw plain red pictures, more or less strong."""
    red = np.zeros((len(strengths), 16, 16, 3), np.uint8)
    red[..., 0] = np.array(strengths)[:, None, None]
    return red


def test_the_sure_stop_and_the_others_go_on() -> None:
    """The suffix runs for the unsure alone, each row keeps its place."""
    parts = Parts()

    outputs = session(parts)(pictures(SURE, UNSURE, SURE, UNSURE))

    assert outputs.optional[LAYERS_USED].tolist() == [1, 2, 1, 2]
    assert parts.runs == [("prefix", 4), ("suffix", 2)]
    assert (outputs.scores.argmax(axis=1) == 2).all()


def test_where_all_are_sure_nothing_else_runs() -> None:
    """Not even on no images."""
    parts = Parts()

    outputs = session(parts)(pictures(SURE, SURE))

    assert parts.runs == [("prefix", 2)]
    assert outputs.optional[LAYERS_USED].dtype == np.int64


def test_contributions_sum_to_the_score_whatever_ran() -> None:
    """Layers that did not run contribute 0; those that did, what the whole network says."""
    parts, batch = Parts(), pictures(SURE, UNSURE)

    outputs = session(parts)(batch)

    whole = parts.whole(batch)
    assert outputs.contributions is not None
    assert whole.contributions is not None
    assert (outputs.contributions.sum(axis=1) == outputs.scores).all()
    assert (outputs.contributions[0, 1] == 0).all()
    assert (outputs.contributions[0, 0] == whole.contributions[0, 0]).all()
    np.testing.assert_allclose(outputs.scores[1], whole.scores[1], atol=1e-6)
    np.testing.assert_allclose(outputs.probabilities[1], whole.probabilities[1], atol=1e-6)
    np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_prefix_has_a_temperature_of_its_own() -> None:
    """Cooler probabilities stop fewer images."""
    assert session(Parts(), temperature=100)(pictures(SURE)).optional[LAYERS_USED].tolist() == [2]


@pytest.mark.parametrize("confidence", [None, 0.999])
def test_without_enough_confidence_the_whole_answers(confidence: float | None) -> None:
    """Off, or more than was ever found: the whole graph's own answer, untouched."""
    parts, batch = Parts(), pictures(SURE, UNSURE)

    outputs = session(parts, confidence)(batch, ["scores", "probabilities"])

    whole = parts.whole(batch)
    assert parts.runs == []
    assert (outputs.scores == whole.scores).all()
    assert (outputs.probabilities == whole.probabilities).all()
    assert outputs.contributions is None
    assert outputs.optional[LAYERS_USED].tolist() == [2, 2]


@pytest.mark.parametrize(("wanted", "given"), [(["scores", "probabilities"], False), (None, True)])
def test_contributions_are_given_if_asked_for(wanted: Sequence[str] | None, *, given: bool) -> None:
    """As by any session."""
    assert (session(Parts())(pictures(SURE), wanted).contributions is not None) == given


def test_what_is_no_number_does_not_look_sure() -> None:
    """A prefix that gives NaN stops nobody, and the answer shows it."""
    parts = Parts()

    def broken(pixels: Pixels) -> dict[str, NDArray[Any]]:
        return {name: array * np.nan for name, array in parts.prefix(pixels).items()}

    both = (broken, parts.suffix)
    outputs = AnytimeSession(manifest(), parts.whole, both, lambda: 0.99)(pictures(SURE))

    assert parts.runs[-1] == ("suffix", 1)
    assert not outputs.are_finite()


def test_pieces_run_with_and_without_stopping_are_joined() -> None:
    """Load may change between the pieces of one request."""
    pieces = [session(Parts(), confidence)(pictures(SURE)) for confidence in (None, 0.9)]

    assert Outputs.joined(pieces).optional[LAYERS_USED].tolist() == [2, 1]


@pytest.fixture
def cut(tmp_path: Path) -> ModelRepository:
    """Publish a tiny model cut in two as `colours/1`, and whole as `colours/2`."""
    repository, stages = ModelRepository(tmp_path), tiny_stages(0)
    tiny = tiny_model(0)
    repository.publish("colours", tiny.model, stages.manifest, stages.graphs)
    repository.publish("colours", tiny.model, tiny.manifest)
    return repository


def load(repository: ModelRepository, version: str, early: Early | None) -> Any:
    """Load a version for the CPU, with a session of its own for lone images."""
    sizes = RunSizes(max_batch_size=4, threads=1, lone_threads=2)
    wanted = VersionId("colours", version)
    further = Further(early)
    return load_version(repository, wanted, lambda m, t: OnnxSession(m, "cpu", t), sizes, further)


def on_cpu(graph: bytes, threads: int) -> OnnxStage:
    """Open a part on the CPU."""
    return OnnxStage(graph, "cpu", threads)


def test_a_version_that_is_cut_is_loaded_with_its_parts(cut: ModelRepository) -> None:
    """Batches and lone images may both stop early."""
    version = load(cut, "1", Early(on_cpu, lambda: 0.9))

    images = golden_pixels(version.manifest)
    for each in (version.session, version.lone_session):
        assert set(each(images).optional[LAYERS_USED].tolist()) <= {1, 2}


def test_a_version_that_is_not_cut_is_served_whole(
    cut: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so once."""
    caplog.set_level(logging.INFO, "goodserve")

    version = load(cut, "2", Early(on_cpu, lambda: 0.9))

    assert version.session(golden_pixels(version.manifest)).optional == {}
    said = [record.getMessage() for record in caplog.records]
    assert said == ["colours/2 is served whole: goodserve-train anytime has not cut it"]


def test_off_opens_no_part(cut: ModelRepository) -> None:
    """Without the setting a cut version is served as any other."""
    version = load(cut, "1", None)

    assert isinstance(version.session, OnnxSession)


def test_parts_of_another_model_are_refused(cut: ModelRepository) -> None:
    """They are held against the whole before anything is answered."""
    stages: TinyStages = tiny_stages(1)
    golden = tiny_model(0).manifest
    change = {"golden": golden.golden, "model_sha256": golden.model_sha256}
    wrong = Manifest.model_validate({**stages.manifest.model_dump(), **change})
    version = cut.publish("colours", tiny_model(0).model, wrong, stages.graphs)

    with pytest.raises(ContractError, match="do not give the whole's contributions"):
        load(cut, version.version, Early(on_cpu, lambda: 0.9))


@pytest.mark.parametrize(
    ("usual", "under_load", "wait_s", "expected"),
    [
        (None, None, 9.0, None),
        (0.99, None, 9.0, 0.99),
        (None, 0.9, 0.9, None),
        (None, 0.9, 1.1, 0.9),
        (0.99, 0.9, 1.1, 0.9),
        (0.99, 0.9, 1.0, 0.99),
    ],
)
def test_depth_is_shed_before_requests(
    usual: float | None, under_load: float | None, wait_s: float, expected: float | None
) -> None:
    """Less confidence is enough while the wait is long, here over a second."""
    assert Depth(usual, under_load, long_wait_s=1.0).confidence(wait_s) == expected


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, {2}), ({"anytime": 0.9}, {1}), ({"anytime": 0.95}, {2})]
)
def test_every_answer_says_how_many_layers_ran(
    tmp_path: Path, settings: dict[str, float], expected: set[int]
) -> None:
    """Off, all of them; on, those that were enough; beyond what was found, all of them."""
    stages = tiny_stages(0)
    always = {"thresholds": [{"confidence": 0.9, "probability": 0.0}]}
    assert stages.manifest.anytime is not None
    anytime = {**stages.manifest.anytime.model_dump(), **always}
    changed = Manifest.model_validate({**stages.manifest.model_dump(), "anytime": anytime})
    repository = ModelRepository(tmp_path)
    version = repository.publish("colours", tiny_model(0).model, changed, stages.graphs)
    repository.activate(version)

    with served(app_on(tmp_path, **settings)) as client:
        picture = encoded(coloured("red", 1))
        answer = client.post("/predict?explain=true", content=picture).json()

    (prediction,) = answer["predictions"]
    assert {prediction["layers_used"]} == expected
    for each in prediction["classes"]:
        parts = [layer["contribution"] for layer in each["layers"]]
        assert sum(parts) == pytest.approx(each["goodness"], abs=1e-5)
        assert sum(part != 0 for part in parts) == prediction["layers_used"]
