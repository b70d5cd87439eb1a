"""How far what comes has drifted, and what the metrics say of it."""

import re
from pathlib import Path

import numpy as np
import pytest

from service.drift import Drift
from tests.pictures import coloured, encoded, real_png
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel


def test_images_like_the_validation_images_have_not_drifted() -> None:
    """Percentiles spread evenly give an index near 0."""
    drift = Drift(1000)

    drift.note(np.random.default_rng(0).uniform(0, 100, 1000))

    assert drift.index() < 0.05


def test_images_that_are_all_strange_have() -> None:
    """All in the lowest tenth: far beyond 0.25, which counts as a shift."""
    drift = Drift(1000)

    drift.note([1.0] * 1000)

    assert drift.index() > 1


def test_too_few_answers_say_nothing() -> None:
    """Under a tenth of the window the index is 0."""
    drift = Drift(1000)
    drift.note([1.0] * 99)
    few = drift.index()

    drift.note([1.0])

    assert few == 0
    assert drift.index() > 1


def test_old_answers_are_forgotten() -> None:
    """Only the window counts."""
    drift = Drift(100)
    drift.note([1.0] * 100)

    drift.note(np.linspace(0, 100, 100))

    assert drift.index() < 0.05


def test_shifted_images_raise_the_index_of_a_running_service(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """Known pictures, then noise: the gauge rises, the histogram counts, answers say so."""
    filled_repository(tmp_path, small_models)
    known = [encoded(coloured(label, seed)) for label in ("red", "blue") for seed in range(60)]
    chance = np.random.default_rng(0)
    noise = [real_png(chance.integers(0, 256, (30, 40, 3), np.uint8)) for _ in range(30)]

    with served(app_on(tmp_path)) as client:
        for file in known:
            client.post("/predict", content=file)
        before = index(client.get("/metrics").text)
        strange = [client.post("/predict", content=file).json() for file in noise * 10]
        text = client.get("/metrics").text

    assert index(text) > before + 0.25
    assert index(text) > 1
    assert 'goodserve_familiarity_percentile_count{name="colours",version="1"} 420.0' in text
    assert not any(each["predictions"][0]["is_familiar"] for each in strange)


def index(text: str) -> float:
    """Read the gauge."""
    found = re.search(r"^goodserve_drift_index{.*} (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_the_percentile_that_counts_as_familiar_is_a_setting(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """At 0 even noise is familiar, at 100 it is not."""
    filled_repository(tmp_path, small_models)
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    answers = []
    for limit in (0, 100):
        with served(app_on(tmp_path, familiar_from=limit)) as client:
            answer = client.post("/predict", content=real_png(noise)).json()
            answers.append(answer["predictions"][0])

    assert [each["is_familiar"] for each in answers] == [True, False]
    assert answers[0]["familiarity"] == pytest.approx(answers[1]["familiarity"])
