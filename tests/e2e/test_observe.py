"""Metrics, alerts and dashboard, asked of a real Prometheus over a real service at work."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dashboard import NEEDS_GPU, queries
from benchmarks.observed import pictures, watched
from benchmarks.prometheus import Prometheus, is_here
from benchmarks.servers import Running
from tests.conftest import ROOT
from tests.e2e.test_server import workers_of

needs_prometheus = pytest.mark.skipif(not is_here(), reason="there is no Prometheus here")

OBSERVE = ROOT / "docker" / "observe"
TRAFFIC_S, RATE_INTERVAL = 22, "20s"
# The alerts of which nothing is left to ask when the comparison is taken away.
OPERATOR = re.compile(r"\s(?:>|==|unless|and)\s")


@pytest.fixture(scope="module")
def observed(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, Prometheus]]:
    """Serve the bundled model to callers with real images, scraped every other second."""
    if not is_here():
        pytest.skip("there is no Prometheus here")
    files = pictures(real_data / "cifar-10-batches-bin" / "test_batch.bin")
    with watched(tmp_path_factory.mktemp("observed"), files) as (server, prometheus):
        prometheus.wait_for("goodserve_refused_version == 1")
        time.sleep(TRAFFIC_S)
        yield server, prometheus


def test_every_alert_is_explained() -> None:
    """A row in the documents says what it means and what to do."""
    alerts = re.findall(r"- alert: (\w+)", (OBSERVE / "alerts.yml").read_text())
    text = (ROOT / "docs" / "observe.md").read_text()

    explained = re.findall(r"^\| (Goodserve\w+) \| .+ \| .+ \|$", text, re.MULTILINE)

    assert explained == alerts


@pytest.mark.parametrize("beside", [(), ("docker/compose.gpu.yml",)])
def test_the_compose_file_is_sound(beside: tuple[str, ...]) -> None:
    """As docker compose reads it, and every file that it mounts is there."""
    compose = shutil.which("docker")
    if compose is None:
        pytest.skip("there is no docker here")
    files = ("docker-compose.yml", *beside, "docker/compose.observe.yml")
    given = [part for file in files for part in ("-f", file)]

    found = subprocess.run(
        [compose, "compose", *given, "--profile", "gpu", "config", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stderr
    services = json.loads(found.stdout)["services"]
    assert {"service", "prometheus", "grafana", "dcgm-exporter"} <= services.keys()
    mounted = [
        v for each in services.values() for v in each.get("volumes", ()) if v["type"] == "bind"
    ]
    assert len(mounted) == 5
    assert all(Path(volume["source"]).is_file() for volume in mounted)


@needs_prometheus
@pytest.mark.parametrize("what", ["config", "rules"])
def test_configuration_and_rules_are_sound(what: str) -> None:
    """As promtool says."""
    file = {"config": "prometheus.yml", "rules": "alerts.yml"}[what]

    found = subprocess.run(
        ["promtool", "check", what, OBSERVE / file], capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stdout + found.stderr


@needs_prometheus
def test_every_alert_fires_and_is_quiet_where_it_should_be() -> None:
    """Promtool's unit tests pass, and there are two for every alert."""
    alerts = set(re.findall(r"- alert: (\w+)", (OBSERVE / "alerts.yml").read_text()))
    tests = re.findall(r"- name: (\w+) (fires|is quiet)", (OBSERVE / "alerts_test.yml").read_text())

    found = subprocess.run(
        ["promtool", "test", "rules", OBSERVE / "alerts_test.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr
    assert set(tests) == {(name, end) for name in alerts for end in ("fires", "is quiet")}


def test_every_query_of_the_dashboard_has_data(observed: tuple[Running, Prometheus]) -> None:
    """At least one series with a number; those that need a GPU alone have none."""
    _, prometheus = observed

    deadline = time.monotonic() + 120
    while (silent := without_data(prometheus)) != set(NEEDS_GPU) and time.monotonic() < deadline:
        time.sleep(2)

    assert silent == set(NEEDS_GPU)


def without_data(prometheus: Prometheus) -> set[str]:
    """Name the panels of the dashboard of which no series has a number."""
    return {
        query.panel
        for query in queries(RATE_INTERVAL)
        if not any(math.isfinite(value) for value in prometheus.values(query.expr))
    }


def test_every_alert_is_evaluated_on_data(observed: tuple[Running, Prometheus]) -> None:
    """Prometheus finds no fault with a rule, and what each one compares has numbers."""
    _, prometheus = observed
    rules = prometheus.rules()

    unsound = {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"}
    deadline = time.monotonic() + 120
    while (silent := without_numbers(prometheus, rules)) and time.monotonic() < deadline:
        time.sleep(2)

    assert unsound == {}
    assert silent == set()
    assert len(rules) > 15


def without_numbers(prometheus: Prometheus, rules: list[dict[str, Any]]) -> set[str]:
    """Name the alerts that compare nothing.

    One needs a failure or a comparison that fails: promtool's tests make them.
    """
    silent = {rule["name"] for rule in rules if not prometheus.values(left_side(rule["query"]))}
    return silent - {"GoodserveTrialFails"}


def left_side(expr: str) -> str:
    """Give what an alert compares: all before the last comparison outside of brackets."""
    inner = re.fullmatch(r"absent\((.*)\)", expr)
    if inner is not None:
        return inner[1]
    depths, depth = [], 0
    for letter in expr:
        depth += (letter in "({[") - (letter in ")}]")
        depths.append(depth)
    starts = [found.start() for found in OPERATOR.finditer(expr) if depths[found.start()] == 0]
    return expr[: starts[0]]


def test_what_happens_is_counted(observed: tuple[Running, Prometheus]) -> None:
    """A refused version by its reason, early answers, a trial, every outcome that there was."""
    _, prometheus = observed
    refused = prometheus.query("goodserve_refused_version == 1")[0]["metric"]

    pending = prometheus.wait_for('ALERTS{alertname="GoodserveVersionRefused"}')

    assert (refused["name"], refused["version"], refused["reason"]) == ("cifar10", "3", "answers")
    assert pending
    for expr in (
        "sum(goodserve_early_images_total)",
        'sum(goodserve_trial_images_total{outcome="agreed"})',
        'sum(goodserve_request_duration_seconds_count{outcome="ok",name="cifar10"})',
        'sum(goodserve_request_duration_seconds_count{outcome="client_error",name=""})',
        "sum(goodserve_queue_wait_seconds_count)",
        "rate(process_cpu_seconds_total[20s])",
        "process_resident_memory_bytes > 50e6",
        "goodserve_processes == 3",
    ):
        assert prometheus.values(expr)[0] > 0, expr
    # Of one moment; a scrape may fall between the two counts of a request in each process.
    count = "sum(goodserve_request_duration_seconds_count)"
    assert abs(prometheus.values(f"sum(goodserve_requests_total) - {count}")[0]) <= 2


def test_a_replaced_process_and_a_silent_service_are_noticed(
    observed: tuple[Running, Prometheus],
) -> None:
    """A killed process shows as a new youngest one, CPU seconds do not fall, and `up` says when."""
    server, prometheus = observed
    before = prometheus.values("process_cpu_seconds_total")[0]

    os.kill(workers_of(server.pid)[0], signal.SIGKILL)

    prometheus.wait_for("changes(goodserve_youngest_start_time_seconds[1m]) > 0")
    prometheus.wait_for("goodserve_processes == 3")
    assert prometheus.values("process_cpu_seconds_total")[0] >= before
    assert prometheus.values("resets(process_cpu_seconds_total[1m])") == [0]
    os.kill(server.pid, signal.SIGTERM)
    prometheus.wait_for('ALERTS{alertname="GoodserveDown"}')
    prometheus.wait_for('ALERTS{alertname="GoodserveAllDown"}')
