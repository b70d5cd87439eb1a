"""Shared by all tests: real data where they are to be had, and small models trained for real."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import atexit
import shutil
import tempfile

if "PYTEST_XDIST_WORKER" in os.environ:
    # What services record of themselves lies there: each process of the tests sees its own alone.
    # Threads of torch wait by spinning: those of two processes on the same cores are slow together.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="goodserve-tests-")
    atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.trained import SmallModel, train_small_model

# The first call of anything in torch takes long: a deadline would only tell of that.
hypothesis.settings.register_profile("goodserve", deadline=None)
hypothesis.settings.load_profile("goodserve")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Put back what `goodserve serve` sets in its own process: it logs to stderr as it was then."""
    root = logging.getLogger()
    names = ("goodserve", "uvicorn", "uvicorn.error", "uvicorn.access")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with CIFAR-10, CIFAR-100 and Fashion-MNIST as their authors publish them.

    It is `GOODSERVE_TEST_DATA`, or unpacked from packs beside the repository.
    """
    given = os.environ.get("GOODSERVE_TEST_DATA")
    if given:
        return Path(given)
    unpack = ROOT.parent / "shared" / "data" / "unpack.py"
    if not unpack.exists():
        pytest.skip("no real data here: set GOODSERVE_TEST_DATA")
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, str(unpack), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> list[SmallModel]:
    """Train three small models on drawn pictures: alike in shape, unlike in weights."""
    folder = tmp_path_factory.mktemp("small-models")
    return [train_small_model(folder, seed) for seed in range(3)]
