"""What the metrics say of goodness, and that no caller or publisher makes them grow for ever."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.artifact.version import VersionId
from service.metrics import Metrics, Refused, Sources
from tests.pictures import coloured, encoded
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel


def scraped(metrics: Metrics) -> str:
    """Take the gauges anew, and give everything as Prometheus reads it."""
    metrics.refresh()
    return metrics.text().decode()


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
    return sum(line.startswith("goodserve_") for line in scraped(metrics).splitlines())


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
    text = scraped(metrics)
    assert value(text, 'goodserve_top_goodness_count{name="other",version="other"}') == 167
    assert value(text, 'goodserve_top_goodness_count{name="colours",version="32"}') == 1


def test_layers_beyond_many_share_a_label() -> None:
    """A network of a hundred layers has at most thirty-three."""
    metrics, version = Metrics(), VersionId("deep", "1")
    layers = [f"block{place}" for place in range(100)]

    metrics.contributions(version, layers, [[1.0] * 100])

    found = re.findall(r"^goodserve_layer_contribution_count\{.*\}", scraped(metrics), re.MULTILINE)
    assert len(found) == 33


def test_each_version_has_an_index_of_drift() -> None:
    """Requests for two models take turns, and neither makes the other's begin anew."""
    metrics = Metrics()
    even, low = VersionId("even", "1"), VersionId("low", "1")

    for number in range(200):
        metrics.familiarity(even, [number / 2])
        metrics.familiarity(low, [1.0])

    text = scraped(metrics)
    assert value(text, 'goodserve_drift_index{name="even",version="1"}') < 0.05
    assert value(text, 'goodserve_drift_index{name="low",version="1"}') > 1


def test_an_index_of_drift_ends_with_its_version() -> None:
    """What a version saw that is gone alarms nobody; one that comes back begins anew."""
    metrics, version = Metrics(), VersionId("colours", "1")
    loaded, name = [version], 'goodserve_drift_index{name="colours",version="1"}'
    metrics.watch(Sources(loaded=lambda: loaded))

    metrics.familiarity(version, [1.0] * 200)
    before = value(scraped(metrics), name)
    loaded.clear()
    meanwhile = scraped(metrics)
    loaded.append(version)
    metrics.familiarity(version, [1.0])

    assert before > 1
    assert name not in meanwhile
    assert 'goodserve_familiarity_percentile_count{name="colours",version="1"} 200.0' in meanwhile
    assert value(scraped(metrics), name) == 0


ONE_OF_SEVERAL = """
import os, sys
from pathlib import Path
from model.artifact.version import VersionId
from service.metrics import Metrics, Refused, Sources

metrics = Metrics(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
loaded = [VersionId("colours", "1"), VersionId("colours", "2")]
refused = [Refused("colours", "3", "answers")]
metrics.watch(Sources(refused=lambda: refused, serving=lambda: loaded, loaded=lambda: loaded))
for version in loaded:
    metrics.familiarity(version, [1.0] * 200)
for word in sys.stdin:
    if word == "drop\\n":
        loaded.pop()
        refused.clear()
    metrics.refresh()
    print(metrics.text().decode(), "end", sep="\\n", flush=True)
"""


def test_with_several_processes_a_series_ends_once_it_has_in_all(tmp_path: Path) -> None:
    """A version that one of them still has is shown; their files keep what was ever there."""
    gauges = [
        'goodserve_drift_index{name="colours",version="2"}',
        'goodserve_active_version{name="colours",version="2"}',
        'goodserve_refused_version{name="colours",reason="answers",version="3"}',
    ]
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(process(tmp_path)) for _ in range(2))
        told(first, "look")
        told(second, "look")
        in_one = told(first, "drop")
        in_none = told(second, "drop")

    assert all(gauge in in_one for gauge in gauges)
    assert not any(gauge in in_none for gauge in gauges)
    assert 'goodserve_active_version{name="colours",version="1"} 1.0' in in_none


@contextlib.contextmanager
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start one of several processes that share their counts."""
    started = subprocess.Popen(
        [sys.executable, "-c", ONE_OF_SEVERAL],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def told(process: subprocess.Popen[str], word: str) -> str:
    """Have a process look, or drop a version before; give what it gathers of both."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    lines = []
    while (line := process.stdout.readline()) not in ("end\n", ""):
        lines.append(line)
    return "".join(lines)


def test_latency_is_counted_by_outcome_and_model() -> None:
    """Every outcome of a model that serves is there from the start; models after many share one."""
    metrics = Metrics()
    metrics.watch(Sources(serving=lambda: [VersionId("colours", "1")]))
    metrics.swap(succeeded=True)

    for number in range(40):
        metrics.request("ok", 0.002, f"model{number}")
    metrics.request("server_error", 3.0, "colours")

    text, count = scraped(metrics), "goodserve_request_duration_seconds_count"
    assert value(text, f'{count}{{name="colours",outcome="server_error"}}') == 1
    assert value(text, f'{count}{{name="colours",outcome="deadline"}}') == 0
    assert value(text, f'{count}{{name="model0",outcome="ok"}}') == 1
    assert value(text, f'{count}{{name="other",outcome="ok"}}') == 10
    assert value(text, 'goodserve_requests_total{outcome="ok"}') == 40


def test_a_version_that_serves_is_shown_as_long_as_it_does() -> None:
    """A model that is deactivated answers nobody, though nothing was loaded in its place."""
    metrics, serving = Metrics(), [VersionId("colours", "1"), VersionId("letters", "2")]
    metrics.watch(Sources(serving=lambda: serving))
    metrics.swap(succeeded=True)
    names = [
        f'goodserve_active_version{{name="{n}",version="{v}"}}'
        for n, v in (("colours", 1), ("letters", 2))
    ]

    before = [value(scraped(metrics), name) for name in names]
    serving.pop()
    text = scraped(metrics)

    assert before == [1, 1]
    assert value(text, names[0]) == 1
    assert names[1] not in text


def test_a_refused_version_is_shown_as_long_as_it_is_refused() -> None:
    """By the kind of reason; afterwards there is no such series."""
    metrics, refused = Metrics(), [Refused("colours", "2", "answers")]
    metrics.watch(Sources(depth=lambda: 3, wait_s=lambda: 0.5, refused=lambda: refused))
    name = 'goodserve_refused_version{name="colours",reason="answers",version="2"}'

    before = value(scraped(metrics), name)
    refused.clear()
    text = scraped(metrics)

    assert before == 1
    assert name not in text
    assert value(text, "goodserve_queue_depth") == 3
    assert value(text, "goodserve_expected_wait_seconds") == 0.5


def test_the_process_is_measured() -> None:
    """CPU, memory and files of this one, by the names that Prometheus' libraries have."""
    text = scraped(Metrics())

    # With that of the processes which the tests started and which have ended.
    cpu_s = sum(os.times()[:4])
    assert value(text, "process_cpu_seconds_total") == pytest.approx(cpu_s, abs=1)
    assert value(text, "process_resident_memory_bytes") > 20e6
    assert 0 < value(text, "process_open_fds") < value(text, "process_max_fds")
    assert value(text, "process_start_time_seconds") < time.time() + 1
    assert value(text, "goodserve_processes") == 1
