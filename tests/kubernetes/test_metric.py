"""The metric that the autoscaler follows, asked of a real Prometheus beside a real service."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml

from benchmarks.servers import free_port
from model.artifact.repository import BUNDLED_REPOSITORY
from tests.e2e.server import running
from tests.kubernetes.manifests import only
from tests.pictures import coloured, encoded

PICTURE = encoded(coloured("red", 1))
PODS = ("busy", "idle")


def rule() -> dict[str, str]:
    """Give the one rule of the adapter's configuration."""
    config = yaml.safe_load(only("prometheus-adapter", "ConfigMap")["data"]["config.yaml"])
    (found,) = config["rules"]
    return {"query": found["metricsQuery"], "series": found["seriesQuery"], **found["name"]}


def asked(pods: tuple[str, ...]) -> str:
    """Fill in the rule's query as the adapter does for these pods of one namespace."""
    filled = rule()["query"].replace("<<.Series>>", "goodserve_queue_wait_seconds_count")
    matchers = f'namespace="shop",pod=~"{"|".join(pods)}"'
    return filled.replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "pod")


@contextmanager
def prometheus(folder: Path, targets: dict[str, str]) -> Iterator[str]:
    """Watch services, each under a pod's name; skip where there is no Prometheus."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("there is no prometheus here")
    static = [
        {"targets": [url.removeprefix("http://")], "labels": {"namespace": "shop", "pod": pod}}
        for pod, url in targets.items()
    ]
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "goodserve", "static_configs": static}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--web.listen-address={address}", "--config.file=prometheus.yml")
    process = subprocess.Popen(
        [program, *flags, f"--storage.tsdb.path={folder / 'data'}"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        until_ready(f"http://{address}/-/ready")
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def until_ready(url: str) -> None:
    """Wait until it answers; before, it refuses in plain text."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(url)


@contextmanager
def load(url: str, clients: int) -> Iterator[list[float]]:
    """Ask without a pause from so many clients while the block lasts; give what each waited."""
    end, waits = threading.Event(), list[float]()

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            while not end.is_set():
                waits.append(client.post(f"{url}/predict", content=PICTURE).elapsed.total_seconds())

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        end.set()
        for thread in threads:
            thread.join()


def query(url: str, expression: str) -> dict[str, float]:
    """Ask for an expression now: a value for each pod."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    return {each["metric"]["pod"]: float(each["value"][1]) for each in answer["data"]["result"]}


def test_the_autoscaler_and_the_adapter_speak_of_one_metric() -> None:
    """The name that the rule gives is the one that is asked for."""
    metrics = only("base", "HorizontalPodAutoscaler")["spec"]["metrics"]

    names = [each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"]

    assert names == [rule()["as"]]


def test_a_busy_pod_waits_and_an_idle_one_does_not(tmp_path: Path) -> None:
    """A value for each pod: 0 for the idle one, for the busy one less than its callers waited."""
    flags = ("--workers", "1", "--lane-workers", "1")
    with (
        running(BUNDLED_REPOSITORY, *flags) as busy,
        running(BUNDLED_REPOSITORY, *flags) as idle,
        prometheus(tmp_path, {"busy": busy.url, "idle": idle.url}) as url,
        load(busy.url, clients=8) as waits,
    ):
        found = dict[str, float]()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (found.keys() == set(PODS) and found["busy"]):
            time.sleep(1)
            found = query(url, asked(PODS))

    assert found["idle"] == 0
    # A part of what callers wait; their clocks also see the run, the way, and each other.
    assert 0 < found["busy"] < sum(waits) / len(waits)
