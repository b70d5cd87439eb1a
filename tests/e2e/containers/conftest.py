"""The images, each built once for all tests of containers."""

from collections.abc import Iterator

import pytest

from tests.e2e.containers.compose import Compose, has_engine
from tests.pictures import write_folder


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Build the service's image; take containers and volumes away in the end."""
    if not has_engine():
        pytest.skip("no container engine answers")
    data = write_folder(tmp_path_factory.mktemp("containers") / "colours", per_class=24)
    data.chmod(0o755)
    compose = Compose("goodserve-test", "docker-compose.yml", GOODSERVE_TRAIN_DATA=str(data))
    compose.down()
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
