"""`goodserve fleet` on a real Ray cluster of two nodes: load, swaps, and a killed process."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from model.artifact.repository import ModelRepository
from tests.e2e.cluster import Cluster, free_port, two_nodes
from tests.pictures import coloured, encoded
from tests.service.models import filled_repository
from tests.trained import SmallModel

_WAIT_S, _COMMAND_S = 300, 300
PICTURE = encoded(coloured("red", 0))


class Fleet(NamedTuple):
    """A fleet that runs.

    Attributes:
        url: of its directory.
        cluster: that it runs on.
        repository: that it serves.
    """

    url: str
    cluster: Cluster
    repository: Path

    def replicas(self) -> dict[str, dict[str, str]]:
        """Give the labels of the replicas that are ready, by their addresses."""
        listed = httpx.get(self.url, timeout=30).json()
        return {each["targets"][0]: each["labels"] for each in listed}


def command(*arguments: str) -> None:
    """Run `goodserve fleet`."""
    done = subprocess.run(
        [sys.executable, "-m", "service", "fleet", *arguments],
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def answer(address: str) -> str:
    """Ask a replica; give the version that answers."""
    answered = httpx.post(f"http://{address}/predict", content=PICTURE, timeout=60)
    assert answered.status_code == 200, answered.text
    named: dict[str, Any] = answered.json()["model"]
    return f"{named['name']}/{named['version']}"


def answers_by(address: str, version: str) -> bool:
    """Tell whether a replica answers by a version."""
    return answer(address) == version


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    """Look again and again."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        if is_so():
            return
        time.sleep(0.2)
    pytest.fail(f"{what} has not come in {_WAIT_S} s")


@contextmanager
def asking(address: str) -> Iterator[list[str]]:
    """Ask a replica all the time while the block lasts; give what was answered, or went wrong."""
    ended, said = threading.Event(), list[str]()

    def ask() -> None:
        while not ended.wait(0.005):
            try:
                said.append(answer(address))
            except (httpx.HTTPError, AssertionError) as error:
                said.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield said
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, small_models: list[SmallModel]
) -> Iterator[Fleet]:
    """Start one replica, which may become two, on two nodes of a core each."""
    repository = filled_repository(tmp_path_factory.mktemp("repository"), small_models)
    port = free_port()
    with two_nodes() as cluster:
        size = [
            "--least",
            "1",
            "--most",
            "2",
            "--waiting",
            "0.2",
            "--up-s",
            "0",
            "--down-s",
            "9999",
        ]
        where = ["--repository", str(repository.root), "--directory-port", str(port)]
        command("start", "--address", cluster.address, *size, *where, "--device", "cpu")
        yield Fleet(f"http://127.0.0.1:{port}/goodserve", cluster, repository.root)


def test_load_brings_a_second_replica_on_the_other_node(fleet: Fleet) -> None:
    """One serves; under load two do, each on a port of its own node."""
    wait_for(lambda: len(fleet.replicas()) == 1, "the first replica")
    first = next(iter(fleet.replicas()))

    with asking(first) as said:
        wait_for(lambda: len(fleet.replicas()) == 2, "the second replica")

    assert set(said) == {"colours/1"}
    assert {each["node"] for each in fleet.replicas().values()} == set(fleet.cluster.raylets)


def test_a_swap_reaches_every_replica(fleet: Fleet, small_models: list[SmallModel]) -> None:
    """Each watches the repository itself."""
    repository = ModelRepository(fleet.repository)
    published = repository.publish("colours", *small_models[1].published)
    assert {answer(address) for address in fleet.replicas()} == {"colours/1"}

    repository.activate(published)

    for address in fleet.replicas():
        is_new = partial(answers_by, address, str(published))
        wait_for(is_new, f"the new version at {address}")


def test_a_killed_replica_comes_back_while_the_other_answers(fleet: Fleet) -> None:
    """In a new process; of the other's answers none is lost meanwhile."""
    before = fleet.replicas()
    (killed, labels), (other, _) = sorted(before.items())

    with asking(other) as said:
        os.kill(int(labels["pid"]), signal.SIGKILL)
        wait_for(lambda: killed not in fleet.replicas(), "the end of the killed replica")
        wait_for(lambda: len(fleet.replicas()) == 2, "a replica in its place")

    new = set(fleet.replicas()) - {other}
    assert len(set(said)) == 1
    assert {answer(address) for address in new} == set(said)
    assert fleet.replicas()[new.pop()]["pid"] != labels["pid"]


def test_a_fleet_that_is_stopped_serves_no_more(fleet: Fleet) -> None:
    """No replica takes connections afterwards."""
    addresses = list(fleet.replicas())

    command("stop", "--address", fleet.cluster.address)

    for address in addresses:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{address}/health/live", timeout=30)
