"""What is released: a wheel and an sdist, built, looked into, installed elsewhere and used."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import httpx
import pytest

from benchmarks.servers import free_port
from tests.conftest import ROOT

PACKAGES = ("model", "service", "training")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
_INSTALL_S = 600


def environment() -> dict[str, str]:
    """Give what a user's shell has: nothing that leads into the checkout, no settings."""
    ours = ("PYTHONPATH", "GOODSERVE_", "SOURCE_DATE_EPOCH")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command; return what it prints."""
    found = subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=_INSTALL_S,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def tracked() -> dict[str, bytes]:
    """Read the files that git knows, by their path; the way a clone has them."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    paths = (ROOT / name for name in names.splitlines())
    return {str(path.relative_to(ROOT)): path.read_bytes() for path in paths if path.is_file()}


def build(tree: Path, out: Path, *flags: str) -> dict[str, Path]:
    """Build the sdist, and the wheel from it; without an index: hatchling is here already."""
    command = (sys.executable, "-m", "build", "--no-isolation", *flags, "--outdir")
    run(*command, out, tree, cwd=out.parent)
    return {path.suffix: path for path in out.iterdir()}


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Read a wheel's files by their path."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Read what a clone has, where this is one."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone: what belongs in a release is not known")
    return tracked()


@pytest.fixture(scope="module")
def built(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build wheel and sdist from a copy of the clone, without what lies around in it."""
    folder = tmp_path_factory.mktemp("release")
    return build(copied(files, folder / "tree"), folder / "dist")


def copied(files: dict[str, bytes], tree: Path) -> Path:
    """Write the clone's files anew."""
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tree


def test_the_wheel_holds_the_packages_and_nothing_else(
    files: dict[str, bytes], built: dict[str, Path]
) -> None:
    """Every file of model, service and training to the byte; the licence; no tests."""
    found = wheel_files(built[".whl"])
    about = f"goodserve-{VERSION}.dist-info/"

    packed = {name: found[name] for name in found if not name.startswith(about)}

    assert packed == {n: files[n] for n in files if n.partition("/")[0] in PACKAGES}
    assert found[f"{about}licenses/LICENSE"] == files["LICENSE"]
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed.keys()
    assert "model/bundled/active.json" in packed
    assert "service/http/page/static/index.html" in packed


def test_the_sdist_holds_what_tests_and_documents_need(
    files: dict[str, bytes], built: dict[str, Path]
) -> None:
    """The clone to the byte, but for what serves the repository itself."""
    left_out = (".ci/", ".github/", ".pre-commit-config.yaml", ".dockerignore")
    with tarfile.open(built[".gz"]) as archive:
        found = {
            member.name.partition("/")[2]: opened.read()
            for member in archive.getmembers()
            if (opened := archive.extractfile(member)) is not None
        }

    del found["PKG-INFO"]  # made while building

    assert found == {name: files[name] for name in files if not name.startswith(left_out)}


def test_the_metadata_say_what_pyproject_says(built: dict[str, Path]) -> None:
    """Name, version, licence, extras and commands; and an index would take it."""
    found = wheel_files(built[".whl"])
    about = f"goodserve-{VERSION}.dist-info"
    metadata: Message = HeaderParser().parsestr(found[f"{about}/METADATA"].decode())

    run(sys.executable, "-m", "twine", "check", "--strict", *built.values(), cwd=ROOT)

    assert (metadata["Name"], metadata["Version"]) == ("goodserve", VERSION)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata.get_all("Provides-Extra") == sorted(PROJECT["optional-dependencies"])
    entries = found[f"{about}/entry_points.txt"].decode()
    assert {f"{name} = {PROJECT['scripts'][name]}" for name in PROJECT["scripts"]} <= set(
        entries.splitlines()
    )


def test_two_builds_are_the_same_bytes(
    files: dict[str, bytes], built: dict[str, Path], tmp_path: Path
) -> None:
    """At another time, in another folder, with other times and modes of the files.

    The second wheel is built from the tree, the first one from the unpacked sdist.
    """
    tree = copied(files, tmp_path / "elsewhere" / "goodserve")
    for path in tree.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
        path.chmod(0o700 if path.is_dir() else 0o600)

    again = build(tree, tmp_path / "dist", "--sdist", "--wheel")

    hashes = [
        {suffix: hashlib.sha256(path.read_bytes()).hexdigest() for suffix, path in each.items()}
        for each in (built, again)
    ]
    assert hashes[0] == hashes[1]


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with the extra `cpu` into an environment of its own; give its programs."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv")
    programs = folder / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install")
    # Compiling what is installed takes longer than all that is done with it here.
    flags = ("--quiet", "--disable-pip-version-check", "--no-compile", "--retries", "10")
    constraints = ("--constraint", ROOT / "constraints.txt")
    run(*pip, *flags, *constraints, f"{built['.whl']}[cpu]", cwd=folder)
    return programs


@contextmanager
def serving(programs: Path, cwd: Path) -> Iterator[str]:
    """Run `goodserve serve` as it is installed, with the bundled model; give its address."""
    port = free_port()
    command = [str(programs / "goodserve"), "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=cwd, env=environment(), stderr=subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert server.poll() is None
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/health/ready", timeout=5).is_success:
                    break
            time.sleep(0.1)
        yield url
        server.terminate()
        _, said = server.communicate(timeout=60)
        assert server.returncode == 0, said
    finally:
        server.kill()
        server.communicate()


def test_the_installed_wheel_serves_and_predicts(installed: Path, tmp_path: Path) -> None:
    """Outside the checkout: the drawn horse is a horse over HTTP and by file, and on the page."""
    run(sys.executable, ROOT / "docs" / "examples" / "draw_horse.py", "horse.png", cwd=tmp_path)
    picture = (tmp_path / "horse.png").read_bytes()

    with serving(installed, tmp_path) as url:
        answer = httpx.post(f"{url}/predict?explain=true", files={"image": picture}, timeout=30)
        page = httpx.get(url, timeout=30)
    by_file = run(installed / "goodserve", "predict", "horse.png", cwd=tmp_path)

    prediction = answer.json()["predictions"][0]
    assert prediction["label"] == "horse"
    parts = [part["contribution"] for part in prediction["classes"][0]["layers"]]
    assert sum(parts) == pytest.approx(prediction["classes"][0]["goodness"], abs=1e-4)
    assert "horse" in by_file
    assert page.is_success
    assert "<script" in page.text


def test_the_installed_wheel_is_apart_and_lean(installed: Path, tmp_path: Path) -> None:
    """Its modules are those of its environment, and no torch has come with the extra `cpu`."""
    code = (
        "import model, service, importlib.metadata as m\n"
        "print(model.__file__, service.__file__, *(d.name for d in m.distributions()))"
    )

    *where, packages = run(installed / "python", "-c", code, cwd=tmp_path).split(maxsplit=2)

    assert all(Path(path).is_relative_to(installed.parent) for path in where)
    assert "onnxruntime" in packages.split()
    assert not {"torch", "onnx", "pytest", "httpx"} & set(packages.split())


def test_the_version_is_one(installed: Path, tmp_path: Path) -> None:
    """pyproject.toml, both commands of the installed wheel and the newest changelog agree."""
    headings = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    said = [
        run(installed / name, "--version", cwd=tmp_path).strip()
        for name in ("goodserve", "goodserve-train")
    ]

    assert said == [VERSION, VERSION]
    assert headings[0] == VERSION
