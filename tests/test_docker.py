"""What can be said of the images without an engine: how they are written, and what they pin."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCKER = ROOT / "docker"
REQUIREMENTS = sorted((DOCKER / "requirements").glob("*.txt"))
HASHES = re.compile(r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def pins(path: Path) -> dict[str, str]:
    """Read the versions that a file of requirements or constraints names."""
    found = re.findall(r"^([a-z0-9-]+)==([^\s;]+)", path.read_text(), re.MULTILINE)
    return dict(found)


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    """Lint a Dockerfile."""
    program = Path(sys.executable).parent / "hadolint"
    return subprocess.run([program, path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", sorted(DOCKER.glob("*.Dockerfile")), ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    """Every Dockerfile passes hadolint, its shell commands shellcheck."""
    found = hadolint(path)

    assert found.returncode == 0, found.stdout + found.stderr


def test_hadolint_does_find_something(tmp_path: Path) -> None:
    """The tool that finds nothing above finds what is wrong with a bad Dockerfile."""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nRUN cd /srv && apt-get install curl\n")

    found = hadolint(bad)

    assert found.returncode == 1
    assert {"DL3006", "DL3003", "DL3008"} <= set(re.findall(r"DL\d+", found.stdout))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_by_hash_alone(path: Path) -> None:
    """A version and hashes for each package, and nothing that says where to get it."""
    comment, _, content = path.read_text().partition("\n")

    rest = HASHES.sub("\n", content)

    assert comment.startswith("# Written by `make lock`")
    assert "//" not in content
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.+!]+", line) for line in rest.splitlines())


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_follow_the_constraints(path: Path) -> None:
    """What constraints.txt names has that version in the images too: else `make lock` is due."""
    wanted, found = pins(ROOT / "constraints.txt"), pins(path)

    assert {name: found[name] for name in wanted.keys() & found.keys()} == {
        name: wanted[name] for name in wanted.keys() & found.keys()
    }


@pytest.mark.parametrize(
    ("extras", "files"),
    [
        (["cpu"], ["cpu"]),
        (["gpu"], ["gpu"]),
        (["cpu", "signing", "grpc", "s3", "otel"], ["cpu", "signing", "grpc", "s3", "otel"]),
        (["cpu", "train"], ["cpu", "train"]),
    ],
)
def test_nothing_that_is_needed_is_missing(extras: list[str], files: list[str]) -> None:
    """Each dependency in pyproject.toml is in the files that are installed for it, torch apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"]]
    for extra in extras:
        needed += project["optional-dependencies"][extra]
    pinned = {name for file in files for name in pins(DOCKER / "requirements" / f"{file}.txt")}

    names = {re.split(r"[^a-z0-9-]", each.lower().replace("_", "-"))[0] for each in needed}

    assert names - pinned <= {"torch"}


def test_the_dockerfiles_install_by_hash() -> None:
    """Every pip that asks an index wants hashes; torch alone comes by its version."""
    for path in DOCKER.glob("*.Dockerfile"):
        commands = re.split(r" && ", path.read_text().replace("\\\n", " "))
        for command in commands:
            if "pip" in command and " install " in command and "apt-get" not in command:
                by_hash = "--require-hashes" in command or "--no-index" in command
                assert by_hash or command.rstrip().endswith("--constraint constraints.txt torch")
