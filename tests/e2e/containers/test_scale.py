"""Replicas behind the proxy: killed, added, removed and replaced under load, and nothing is lost.

One set of replicas lives through all tests of this file; each leaves it with two, even if it fails.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import httpx
import pytest

from tests.conftest import ROOT
from tests.e2e.containers.compose import PATIENCE_S, Compose, docker, inspected
from tests.e2e.containers.load import PICTURES, Load

pytestmark = pytest.mark.container

REVISION = "org.opencontainers.image.revision"
PUBLISH = (
    "from model.artifact.repository import ModelRepository\n"
    "repository = ModelRepository('/models')\n"
    "stored = repository.read(repository.active())\n"
    "wanted = repository.publish(stored.id.name, stored.model, stored.manifest, stored.graphs)\n"
    "repository.activate(wanted)\n"
    "print(wanted.version)"
)


@pytest.fixture(scope="module")
def fleet(compose: Compose) -> Iterator[Compose]:
    """Run two replicas behind the proxy."""
    compose.down()  # leaves the cores to the replicas
    fleet = Compose("goodserve-fleet", "docker-compose.yml", "docker/compose.scale.yml")
    fleet.down()
    fleet("build", "proxy")
    fleet.up()
    wait_ready(fleet)
    try:
        yield fleet
    finally:
        fleet.down()


def wait_ready(fleet: Compose) -> None:
    """Wait until the proxy has seen a replica: it looks every half second."""
    deadline = time.monotonic() + float(PATIENCE_S)
    while httpx.get(f"{fleet.url}/health/ready", timeout=60).status_code != httpx.codes.OK:
        assert time.monotonic() < deadline, fleet("logs", "proxy")
        time.sleep(0.1)


def test_a_new_volume_is_filled_once(fleet: Compose) -> None:
    """By a container that ends before any replica starts; the engine would copy for each."""
    (filled,) = fleet.containers("models")

    assert filled["State"]["ExitCode"] == 0
    for replica in fleet.containers():
        (mount,) = replica["HostConfig"]["Mounts"]
        assert mount["Target"] == "/models"
        assert mount["VolumeOptions"]["NoCopy"]
        assert replica["State"]["StartedAt"] > filled["State"]["FinishedAt"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_killed_replica_loses_nothing(fleet: Compose, which: int) -> None:
    """SIGKILL: what was in its hands is asked of the other one; the engine starts it anew."""
    victim = fleet.containers()[which]
    with Load(fleet.url) as load:
        load.until(lambda: len(load.processes()) == 2, "both replicas answer")
        before = load.processes()
        os.kill(victim["State"]["Pid"], signal.SIGKILL)
        killed_s = time.monotonic()
        load.until(lambda: bool(load.processes() - before), "a new process answers")
        back_s = time.monotonic() - killed_s
        load.more(50)
    print(load.said("a replica killed with SIGKILL"), f"; back after {back_s:.1f} s", sep="")

    assert load.lost() == []
    assert inspected(victim["Id"])["RestartCount"] > victim["RestartCount"]


def test_more_and_fewer_replicas_lose_nothing(
    fleet: Compose, request: pytest.FixtureRequest
) -> None:
    """A third one gets requests soon; when two drain and go, the last one has it all."""
    request.addfinalizer(lambda: fleet.up("--no-recreate", "--scale", "service=2", "service"))
    with Load(fleet.url) as load:
        load.until(lambda: len(load.processes()) == 2, "both replicas answer")
        fleet.up("--no-recreate", "--scale", "service=3", "service")
        up_s = time.monotonic()
        load.until(lambda: len(load.processes()) == 3, "the third replica answers")
        print(
            f"\na third replica answered {time.monotonic() - up_s:.1f} s after it was ready", end=""
        )

        fleet("up", "--detach", "--no-recreate", "--scale", "service=1", "service")
        down_s = time.monotonic()
        load.more(100)
    print(load.said("from two replicas to three and to one"))

    assert load.lost() == []
    assert len(load.processes(down_s)) == 1


def test_a_new_image_takes_over_without_loss(fleet: Compose) -> None:
    """`docker/roll.sh` replaces replica by replica; in the end none of the old ones is left."""
    docker(
        *("build", "--file=docker/service.Dockerfile", "--tag=goodserve"),
        *("--build-arg=REVISION=the-next", "."),
    )
    with Load(fleet.url) as load:
        load.until(lambda: len(load.processes()) == 2, "both replicas answer")
        before = load.processes()
        rolled = roll(fleet)
        rolled_s = time.monotonic()
        load.until(lambda: len(load.processes(rolled_s)) == 2, "both new replicas answer")
        load.more(100)
    print(load.said("two replicas replaced by a new image"))

    revisions = [each["Config"]["Labels"][REVISION] for each in fleet.containers()]
    assert rolled.count("replaced") == 2
    assert load.lost() == []
    assert revisions == ["the-next", "the-next"]
    assert not load.processes(rolled_s) & before
    assert len(load.processes(rolled_s)) == 2


def roll(fleet: Compose) -> str:
    """Run the script as an operator does; return what it says."""
    found = subprocess.run(
        ["sh", "docker/roll.sh", PATIENCE_S],
        cwd=ROOT,
        env=os.environ | fleet.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_a_new_version_takes_over_without_loss(fleet: Compose) -> None:
    """Published into the shared volume, it is served by every replica within seconds."""
    (one, *_) = [each["Id"] for each in fleet.containers()]
    with Load(fleet.url) as load:
        load.until(lambda: len(load.processes()) == 2, "both replicas answer")
        version = docker("exec", one, "python", "-c", PUBLISH)
        published_s = time.monotonic()
        load.until(
            lambda: (
                {each.version for each in load.answers[-20:]} == {version}
                and served_by(load, version) == load.processes()
            ),
            "every replica serves the new version",
        )
        swapped_s = time.monotonic() - published_s
        load.more(50)
    print(load.said("a new version published"), f"; served by all after {swapped_s:.1f} s", sep="")

    assert load.lost() == []
    assert {each.version for each in load.answers[:20]} != {version}


def served_by(load: Load, version: str) -> set[str]:
    """Name the server processes that have answered by a version."""
    return {each.process for each in load.answers if each.version == version}


def test_the_proxy_drains(fleet: Compose) -> None:
    """A request whose body is still coming when the proxy is told to stop is answered."""
    host, _, port = fleet.address.partition(":")
    picture = PICTURES[0]
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(picture)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with (
        socket.create_connection((host, int(port)), timeout=60) as caller,
        caller.makefile("rb") as answers,
        ThreadPoolExecutor(1) as pool,
    ):
        caller.sendall(head.encode() + picture[:100])
        # Until then the request might wait before the proxy's door.
        assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert answers.readline() == b"\r\n"
        stopped = pool.submit(fleet, "stop", "proxy")
        # It lets go of its port first: then it has been told.
        wait_until_refused(fleet)
        caller.sendall(picture[100:])
        status = answers.readline()
        stopped.result()

    (proxy,) = fleet.containers("proxy")
    assert status.startswith(b"HTTP/1.1 200 ")
    assert proxy["State"]["ExitCode"] == 0


def wait_until_refused(fleet: Compose) -> None:
    """Wait until nobody answers new connections."""
    deadline = time.monotonic() + 35  # the proxy gives its requests 40 s
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{fleet.url}/proxy/live", timeout=5)
        except httpx.TransportError:
            return
        time.sleep(0.05)
    raise AssertionError(fleet("ps"))


def test_callers_do_not_reach_what_is_not_theirs(fleet: Compose) -> None:
    """Neither the admin's paths nor one replica's metrics are to be had through the proxy."""
    fleet.up()
    wait_ready(fleet)

    # Not by httpx, which may write a path in its own way.
    host, _, port = fleet.address.partition(":")
    statuses = []
    for path in ("/admin/models", "/metrics", "/%61dmin/models", "/%6detrics", "/health/live"):
        asking = HTTPConnection(host, int(port), timeout=60)
        asking.request("GET", path)
        statuses.append(asking.getresponse().status)
        asking.close()

    assert statuses == [404, 404, 404, 404, 200]
