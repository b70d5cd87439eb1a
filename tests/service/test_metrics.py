"""What the metrics say of goodness, and that no caller or publisher makes them grow for ever."""

import re
from pathlib import Path

import pytest

from model.artifact.version import VersionId
from service.metrics import Metrics
from tests.pictures import coloured, encoded
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel


def value(text: str, name: str) -> float:
    """Read one number."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_goodness_is_counted_by_version_and_by_layer(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """The top class's goodness of every answer; what layers add to it, of explained ones alone."""
    filled_repository(tmp_path, small_models[:1])
    files = [encoded(coloured(label, 1)) for label in ("red", "blue", "green")]

    with served(app_on(tmp_path)) as client:
        explained = client.post("/predict?explain=true&top_k=1", content=files[0]).json()
        plain = [client.post("/predict", content=file).json() for file in files[1:]]
        text = client.get("/metrics").text

    tops = [each["predictions"][0]["classes"][0] for each in (explained, *plain)]
    of = 'name="colours",version="1"'
    assert value(text, f"goodserve_top_goodness_count{{{of}}}") == 3
    total = value(text, f"goodserve_top_goodness_sum{{{of}}}")
    assert total == pytest.approx(sum(top["goodness"] for top in tops), abs=1e-4)
    for layer in tops[0]["layers"]:
        # Prometheus has no sum where numbers may be negative: the buckets say what was counted.
        name = f'goodserve_layer_contribution_bucket{{layer="{layer["layer"]}",le='
        counts = re.findall(rf'^{re.escape(name)}"([^"]+)",{of}}} (\S+)$', text, re.MULTILINE)
        assert len(counts) == 12
        for limit, count in counts:
            assert float(count) == (layer["contribution"] <= float(limit))


def series(metrics: Metrics) -> int:
    """Count the lines that a scrape has to keep."""
    return sum(line.startswith(b"goodserve_") for line in metrics.render().splitlines())


def test_versions_after_the_first_share_a_label() -> None:
    """Whoever publishes every minute for a year makes no more of them."""
    metrics, layers = Metrics(), [f"block{place}" for place in range(3)]

    def answer(number: int) -> None:
        version = VersionId("colours", str(number))
        metrics.familiarity(version, [50.0])
        metrics.top_goodness(version, [4.0])
        metrics.contributions(version, layers, [[1.0, 2.0, 1.0]])

    for number in range(1, 34):
        answer(number)
    many = series(metrics)
    for number in range(34, 200):
        answer(number)

    assert series(metrics) == many
    text = metrics.render().decode()
    assert value(text, 'goodserve_top_goodness_count{name="other",version="other"}') == 167
    assert value(text, 'goodserve_top_goodness_count{name="colours",version="32"}') == 1


def test_layers_beyond_many_share_a_label() -> None:
    """A network of a hundred layers has at most thirty-three."""
    metrics, version = Metrics(), VersionId("deep", "1")
    layers = [f"block{place}" for place in range(100)]

    metrics.contributions(version, layers, [[1.0] * 100])

    found = re.findall(
        r"^goodserve_layer_contribution_count\{.*\}", metrics.render().decode(), re.MULTILINE
    )
    assert len(found) == 33
