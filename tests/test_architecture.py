"""The house: which way imports point, and what serving must not load."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from tests.conftest import ROOT

SOURCES = ("model", "service", "training")


def test_imports_point_one_way() -> None:
    """Training -> model <- service, as pyproject.toml says it."""
    found = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("module", ["service.app", "service.__main__"])
def test_serving_loads_no_torch(module: str) -> None:
    """A fresh interpreter that imports the service has no torch, no onnx, no training."""
    code = f"import sys, {module}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(found.stdout.split())
    assert not loaded & {"torch", "onnx", "onnxscript", "training"}
    assert {"onnxruntime", "service", "model"} <= loaded


def test_the_client_loads_no_server() -> None:
    """A fresh interpreter that imports it has no onnxruntime, no FastAPI, and no model."""
    code = "import sys, service.client; print(*sorted({m.partition('.')[0] for m in sys.modules}))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(found.stdout.split())
    assert not loaded & {"fastapi", "model", "onnxruntime", "pydantic", "starlette", "uvicorn"}
    assert {"httpx", "service"} <= loaded


def test_the_settings_alone_read_the_environment() -> None:
    """Elsewhere nothing is read from `os.environ`; setting a variable for others is allowed."""
    reads = re.compile(r"os\.getenv|environ\.get|environ\[[^\]]+\](?! = )|getenv\(")
    found = [
        path.relative_to(ROOT)
        for path in (ROOT / "service").rglob("*.py")
        if reads.search(path.read_text()) and path.name != "settings.py"
    ]

    assert found == []


def test_every_file_stays_small() -> None:
    """A file of more than 300 lines has outgrown its purpose."""
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in (*SOURCES, "tests")
        for path in (ROOT / folder).rglob("*.py")
    }

    assert {name: size for name, size in sizes.items() if size > 300} == {}


def test_the_bundled_model_is_small_and_sound() -> None:
    """The default repository has an active version of at most 6 MB, at 89 % or more."""
    repository = ModelRepository(BUNDLED_REPOSITORY)
    active = repository.active()
    assert active is not None

    stored = repository.read(active)

    assert len(stored.model) <= 6_000_000
    assert stored.manifest.accuracy is not None
    assert stored.manifest.accuracy.n == 10_000
    assert stored.manifest.accuracy.value >= 0.89
