"""The images, each built once for all tests of containers."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.containers.compose import Compose, has_engine
from tests.pictures import write_folder


@contextmanager
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the other worker of these tests from the images meanwhile: both build the same ones."""
    with (tmp_path_factory.getbasetemp().parent / "containers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module", autouse=True)
def one_file_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run one file of these tests at a time, whichever worker has it."""
    with alone(tmp_path_factory):
        yield


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Compose]:
    """Build the service's image; take containers and volumes away in the end."""
    if not has_engine():
        pytest.skip("no container engine answers")
    data = write_folder(tmp_path_factory.mktemp("containers") / "colours", per_class=24)
    data.chmod(0o755)
    # Of each worker: one takes its own away while the other's run.
    name = f"goodserve-test-{worker_id}"
    compose = Compose(name, "docker-compose.yml", GOODSERVE_TRAIN_DATA=str(data))
    compose.down()
    with alone(tmp_path_factory):
        compose("build", "service")
    try:
        yield compose
    finally:
        compose.down()


@pytest.fixture(scope="session")
def training(compose: Compose) -> Compose:
    """Build the image that trains, too."""
    compose("--profile", "train", "build", "train")
    return compose
