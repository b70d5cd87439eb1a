"""The project's compose files, run for real under a name and a port of their own."""

import json
import os
import subprocess
from typing import Any

from benchmarks.servers import free_port
from tests.conftest import ROOT

# A container starts in two seconds where nobody else computes, and in half a minute where many do.
PATIENCE_S = "300"


def has_engine() -> bool:
    """Tell whether an engine with compose answers."""
    try:
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            subprocess.run(command, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def docker(*arguments: str, **environment: str) -> str:
    """Run `docker` from the top folder; return what it prints, without white space around it."""
    found = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env=os.environ | {"DOCKER_BUILDKIT": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout.strip()


def inspected(name: str) -> dict[str, Any]:
    """Read the engine's description of a container or an image."""
    content: dict[str, Any] = json.loads(docker("inspect", name))[0]
    return content


class Compose:
    """Some of the project's compose files, under one project's name."""

    def __init__(self, project: str, *files: str, **environment: str) -> None:
        """Take a free port; `environment` is added to the variables that compose reads."""
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._files = [part for file in files for part in ("--file", file)]
        self.environment = {
            "COMPOSE_PROJECT_NAME": project,
            "GOODSERVE_PUBLISH": self.address,
            **environment,
        }

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose`; return what it prints."""
        return docker("compose", *self._files, *arguments, **self.environment)

    def up(self, *arguments: str) -> None:
        """Start what is not there yet, and wait until all of it is healthy."""
        self("up", "--detach", "--wait", "--wait-timeout", PATIENCE_S, *arguments)

    def down(self) -> None:
        """Take everything away, volumes too."""
        self("--profile", "train", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def containers(self, service: str = "service") -> list[dict[str, Any]]:
        """Read the engine's description of each of a service's containers, ended ones too."""
        return [inspected(name) for name in self("ps", "--all", "--quiet", service).split()]
