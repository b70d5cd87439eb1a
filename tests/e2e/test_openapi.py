"""Two tools that take `/openapi.json` at its word, against the service in a process of its own."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from tests.conftest import ROOT
from tests.e2e.server import Server, running
from tests.pictures import coloured, encoded

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
FILE = encoded(coloured("red", 1))
GIF = encoded(coloured("red", 1), "GIF")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve the bundled model."""
    with running(BUNDLED_REPOSITORY, "--workers", "1") as server:
        yield server


def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    """Of some 1,700 requests, by the document and against it, each is answered as documented."""
    options = ["--config-file", str(HERE / "schemathesis.toml")]

    found = subprocess.run(
        [BIN / "schemathesis", *options, "run", f"{server.url}/openapi.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr
    count = re.search(r"(\d+) generated, (\d+) passed", found.stdout)
    assert count is not None, found.stdout
    assert count[1] == count[2]
    assert int(count[1]) > 1000


@pytest.fixture(scope="module")
def generated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Generate a client, and give its package."""
    folder = tmp_path_factory.mktemp("generated")
    program = BIN / "openapi-python-client"
    where = ["--url", f"{server.url}/openapi.json", "--config", str(HERE / "openapi_client.yml")]
    flags = ["--meta", "none", "--fail-on-warning"]
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])  # it formats by ruff

    found = subprocess.run(
        [program, "generate", *where, *flags, "--output-path", folder / "generated_client"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module("generated_client")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("generated_client")]:
        del sys.modules[name]


@pytest.mark.parametrize("way", ["form", "json", "raw"])
def test_a_generated_client_gets_answers(server: Server, generated: ModuleType, way: str) -> None:
    """In each of the three ways to send, typed to the last field."""
    models, types, call = parts(generated, "predict")
    file = types.File(BytesIO(FILE), "red.png")
    if way == "form":
        body = models.PredictFilesBody(image=[file, file], explain=True)
    elif way == "json":
        example = importlib.import_module("service.http.examples").PIXEL
        body = models.PredictJsonBody(images=[example, example], explain=True)
    else:
        body = file

    with generated.Client(server.url) as client:
        answer = call.sync(client=client, body=body, top_k=2, confidence=0.9)

    assert isinstance(answer, models.PredictResponse)
    assert answer.model.name == "cifar10"
    assert len(answer.predictions) == (1 if way == "raw" else 2)
    for prediction in answer.predictions:
        assert prediction.label == prediction.classes[0].label
        assert len(prediction.classes) == 2
        assert prediction.label in prediction.conformal_set


PROBLEMS: dict[str, tuple[int, str, bytes, dict[str, Any]]] = {
    "unsupported-format": (415, "predict", GIF, {}),
    "not-an-image": (400, "predict", b"no image", {}),
    "unknown-class": (422, "explain", FILE, {"classes": ["ghost"]}),
    "unknown-model": (404, "predict_version", FILE, {"name": "cifar10", "version": "99"}),
    "no-evidence": (409, "explain_version", FILE, {"name": "cifar10", "version": "1"}),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_generated_client_reads_every_problem(
    server: Server, generated: ModuleType, kind: str
) -> None:
    """Whatever its status, as the one type `Problem`."""
    status, operation, file, options = PROBLEMS[kind]
    models, types, call = parts(generated, operation)

    with generated.Client(server.url) as client:
        body = types.File(BytesIO(file), "a")
        answer = call.sync_detailed(client=client, body=body, **options)

    assert answer.status_code == status
    assert isinstance(answer.parsed, models.Problem)
    assert answer.parsed.type_ == f"urn:goodserve:problem:{kind}"
    assert answer.parsed.request_id == answer.headers["X-Request-Id"]


def test_a_generated_client_reads_limits(server: Server, generated: ModuleType) -> None:
    """What one request may hold stands beside the models."""
    call = importlib.import_module("generated_client.api.service.models")

    with generated.Client(server.url) as client:
        answer = call.sync(client=client)

    assert answer.limits.images == 32
    assert answer.serving.name == "cifar10"


def parts(generated: ModuleType, operation: str) -> tuple[ModuleType, ModuleType, ModuleType]:
    """Give the models, the types and one operation of a generated client."""
    name = generated.__name__
    return (
        importlib.import_module(f"{name}.models"),
        importlib.import_module(f"{name}.types"),
        importlib.import_module(f"{name}.api.images.{operation}"),
    )
