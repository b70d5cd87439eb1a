"""The compose file alone: a service, a training that publishes into its volume, an orderly end."""

from typing import Any

import httpx
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from tests.e2e.containers.compose import Compose
from tests.pictures import coloured, encoded

pytestmark = pytest.mark.container

PICTURE = encoded(coloured("red", 1))
TRAINING = (
    "fit folder:/data --run /runs/colours --publish /models --name colours --quiet --epochs 2 "
    "--batch-size 16 --widths 8,12 --pool-before 2 --regions 2 --image-size 16"
)


def ask(compose: Compose, path: str) -> Any:
    """Send the picture on a connection of its own: those that idle for 5 s are closed."""
    return httpx.post(f"{compose.url}{path}", content=PICTURE, timeout=60).json()


def test_up_predict_train_swap_down(training: Compose) -> None:
    """From nothing to a model of one's own beside the bundled one, and an orderly end."""
    compose = training
    compose.up()
    first = ask(compose, "/predict")
    printed = compose("run", "--rm", "train", *TRAINING.split())
    second = ask(compose, "/models/colours/predict?explain=true")
    third = ask(compose, "/predict")
    compose("stop")

    bundled = ModelRepository(BUNDLED_REPOSITORY).active()
    assert bundled is not None
    assert first["model"] == {"name": bundled.name, "version": bundled.version}
    assert "published colours/1 to /models, active" in printed
    assert second["model"] == {"name": "colours", "version": "1"}
    assert second["predictions"][0]["label"] == "red"
    assert third["model"] == first["model"]
    assert [each["State"]["ExitCode"] for each in compose.containers()] == [0]


def test_the_service_is_locked_down(compose: Compose) -> None:
    """No root, no torch, nothing writable but its volume and /tmp, no capability."""
    compose.up()

    probe = (
        "import importlib.util as u, os, pathlib\n"
        "print(os.getuid(), u.find_spec('torch') is None)\n"
        "try: pathlib.Path('/opt/goodserve/x').touch()\n"
        "except OSError as error: print(error.strerror)\n"
        "pathlib.Path('/tmp/x').touch()\n"
        "print([l for l in open('/proc/1/status') if l.startswith('CapEff')][0].split()[1])"
    )
    lines = compose("exec", "-T", "service", "python", "-c", probe).splitlines()
    (container,) = compose.containers()

    assert lines == ["10001 True", "Read-only file system", "0000000000000000"]
    assert container["State"]["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("runtime", ["gpu"])
def test_the_override_for_gpus_is_valid(compose: Compose, runtime: str) -> None:
    """Compose takes it, builds both images for CUDA, and reserves a GPU for each."""
    laid_over = Compose("goodserve-gpu", "docker-compose.yml", f"docker/compose.{runtime}.yml")

    config = httpx.Response(
        200, text=laid_over("--profile", "train", "config", "--format", "json")
    ).json()

    for name in ("service", "train"):
        service = config["services"][name]
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert service["build"]["args"] == {"RUNTIME": "gpu"}
        assert device["driver"] == "nvidia"
        assert device["capabilities"] == ["gpu"]
        assert service["image"] != compose("config", "--images", name)
