"""The Jobs' own command lines, run as their pods would run them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from tests.conftest import ROOT
from tests.kubernetes.manifests import only
from tests.pictures import write_folder

SMALL = "--batch-size 15 --widths 8,12 --pool-before 2 --regions 2 --image-size 16 --threads 1"


def command_of(job: str, places: dict[str, str]) -> list[str]:
    """Give a Job's command, with the pod's folders and names replaced by this machine's."""
    container = only(f"jobs/{job}", "Job")["spec"]["template"]["spec"]["containers"][0]
    command = [*container["command"], *container.get("args", ())]
    for place, here in places.items():
        command = [part.replace(place, here) for part in command]
    return command


def started(command: list[str], **variables: str) -> "subprocess.Popen[str]":
    """Start a command with this environment's programs, its output kept."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=given | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(process: "subprocess.Popen[str]") -> str:
    """Wait for its end; give what it said."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def test_the_first_model_is_the_bundled_one(tmp_path: Path) -> None:
    """The Job fills an empty volume; run again it changes nothing."""
    command = command_of("first-model", {"/volume": str(tmp_path)})
    bundled = str(BUNDLED_REPOSITORY)

    said = [ended(started(command, GOODSERVE_REPOSITORY=bundled)) for _ in range(2)]

    assert "is copied to" in said[0]
    assert "is there already" in said[1]
    assert ModelRepository(tmp_path).active() == ModelRepository(BUNDLED_REPOSITORY).active()


@pytest.mark.long
def test_two_pods_train_one_network_and_a_third_goes_on(tmp_path: Path) -> None:
    """The indexed Job's script under torchrun, twice; then the single Job's on the same volumes.

    One run and one version come of the first; the second finds the run, resumes it, publishes.
    """
    data = write_folder(tmp_path / "data", per_class=30)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    places = {
        "/runs": str(tmp_path / "runs"),
        "/data": str(data),
        "/models": str(tmp_path / "models"),
        "goodserve-train-0.goodserve-train": "127.0.0.1",
        "29500": port,
    }
    indexed = [*command_of("torchrun", places), *f"{SMALL} --epochs 1".split()]

    pods = [started(indexed, JOB_COMPLETION_INDEX=str(index)) for index in range(2)]
    said = [ended(pod) for pod in pods]
    later = ended(started([*command_of("train", places), "--epochs", "2"]))

    assert "published photos/1" in said[0]
    assert "published" not in said[1]
    assert "published photos/2" in later
    assert len((tmp_path / "runs" / "photos" / "log.jsonl").read_text().splitlines()) >= 2
    assert json.loads((tmp_path / "models" / "active.json").read_text())["default"] == "photos"
