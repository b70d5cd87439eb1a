"""The images and the compose file, built and run for real on a container engine."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from tests.conftest import ROOT
from tests.pictures import coloured, encoded, write_folder

pytestmark = pytest.mark.container

PICTURE = encoded(coloured("red", 1))
TRAINING = (
    "fit folder:/data --run /runs/colours --publish /models --name colours --quiet --epochs 2 "
    "--batch-size 16 --widths 8,12 --pool-before 2 --regions 2 --image-size 16"
)


def has_engine() -> bool:
    """Tell whether an engine with compose answers."""
    try:
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            subprocess.run(command, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


class Compose:
    """The project's compose file, under a name and a port of its own."""

    def __init__(self, data: Path) -> None:
        """Take a free port."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{taken.getsockname()[1]}"
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": "goodserve-test",
            "GOODSERVE_PUBLISH": self.address,
            "GOODSERVE_TRAIN_DATA": str(data),
        }

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose`; return what it prints."""
        found = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def inspect(self) -> dict[str, Any]:
        """Read the engine's state of the service's container."""
        container = self("ps", "--all", "--quiet", "service").strip()
        found = subprocess.run(["docker", "inspect", container], capture_output=True, check=True)
        content: dict[str, Any] = json.loads(found.stdout)[0]
        return content


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Build both images, and take everything away in the end."""
    if not has_engine():
        pytest.skip("no container engine answers")
    data = write_folder(tmp_path_factory.mktemp("containers") / "colours", per_class=24)
    data.chmod(0o755)
    compose = Compose(data)
    compose("down", "--volumes", "--remove-orphans")
    compose("--profile", "train", "build")
    try:
        yield compose
    finally:
        compose("--profile", "train", "down", "--volumes", "--remove-orphans")


def test_up_predict_train_swap_down(compose: Compose) -> None:
    """From nothing to a model of one's own beside the bundled one, and an orderly end."""
    url = f"http://{compose.address}"

    compose("up", "--detach", "--wait")
    first = httpx.post(f"{url}/predict", content=PICTURE).json()
    printed = compose("run", "--rm", "train", *TRAINING.split())
    second = httpx.post(f"{url}/models/colours/predict?explain=true", content=PICTURE).json()
    third = httpx.post(f"{url}/predict", content=PICTURE).json()
    compose("stop")

    bundled = ModelRepository(BUNDLED_REPOSITORY).active()
    assert bundled is not None
    assert first["model"] == {"name": bundled.name, "version": bundled.version}
    assert "published colours/1 to /models, active" in printed
    assert second["model"] == {"name": "colours", "version": "1"}
    assert second["predictions"][0]["label"] == "red"
    assert third["model"] == first["model"]
    assert compose.inspect()["State"]["ExitCode"] == 0


def test_the_service_is_locked_down(compose: Compose) -> None:
    """No root, no torch, nothing writable but its volume and /tmp, no capability."""
    compose("up", "--detach", "--wait")

    user = compose("exec", "-T", "service", "id", "-u").strip()
    probe = (
        "import importlib.util as u, pathlib\n"
        "print(u.find_spec('torch') is None)\n"
        "try: pathlib.Path('/opt/goodserve/x').touch()\n"
        "except OSError as error: print(error.strerror)\n"
        "pathlib.Path('/tmp/x').touch()\n"
        "print([l for l in open('/proc/1/status') if l.startswith('CapEff')][0].split()[1])"
    )
    lines = compose("exec", "-T", "service", "python", "-c", probe).splitlines()

    assert user == "10001"
    assert lines == ["True", "Read-only file system", "0000000000000000"]
    assert compose.inspect()["State"]["Health"]["Status"] == "healthy"
