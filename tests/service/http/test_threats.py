"""Promises that no single part keeps: no URL is fetched, no host is believed, no file leaks."""

import ast
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.conftest import ROOT
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, fake_repository
from tests.service.http.v2.bodies import INFER
from tests.service.models import fake_app_on, served

# What can open a connection, of the standard library and of what may be installed beside us.
CLIENTS = {"aiohttp", "ftplib", "httpx", "requests", "smtplib", "urllib3", "websockets"}
CLIENT_MODULES = {"http.client", "urllib.request", "service.client"}
PICTURE = encoded(coloured("red", 1))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen where nobody should come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        yield listener


def test_no_url_is_fetched_for_a_client(tmp_path: Path, listener: socket.socket) -> None:
    """Whatever way an address comes in, it is no image, and nobody connects there."""
    fake_repository(tmp_path)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/cat.png"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{url}'/></svg>"
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [url]}
    requests: list[dict[str, Any]] = [
        {"json": {"images": [url]}},
        {"json": {"images": [{"url": url}]}},
        {"json": {"url": url}},
        {"content": url.encode()},
        {"content": svg.encode()},
        {"files": [("image", (url, url.encode()))]},
        {"data": {"image": url, "url": url}},
        {"params": {"url": url, "image": url}, "content": PICTURE},
    ]

    with served(fake_app_on(tmp_path)) as client:
        answers = [client.post("/predict", **each).status_code for each in requests]
        answers += [client.post("/explain", **each).status_code for each in requests]
        answers.append(client.post(INFER, json={"inputs": [tensor]}).status_code)

    assert all(400 <= status < 500 for status in answers), answers
    with pytest.raises(TimeoutError):
        listener.accept()


def test_the_service_has_no_client_of_its_own() -> None:
    """Nothing that serves imports what could fetch something.

    The Python client lies beside it. Commands ask services: another one by that client, and this
    user's own of a version. A replica of a fleet tells the fleet's directory where it listens.
    """
    found = {
        (str(path.relative_to(ROOT)), name)
        for folder in (ROOT / "service", ROOT / "model" / "artifact")
        for path in folder.rglob("*.py")
        if not path.is_relative_to(ROOT / "service" / "client")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported(node)
        if name in CLIENT_MODULES or name.partition(".")[0] in CLIENTS
    }

    assert {path for path, _ in found} <= {
        "service/asked_service.py",
        "service/cluster/replica.py",
        "service/remote_pictures.py",
    }


def imported(node: ast.AST) -> list[str]:
    """Name what a statement imports."""
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    return []


@pytest.mark.parametrize("path", ["/models/", "/docs/", "/health/live/", "//evil.example/x"])
def test_a_host_that_a_caller_names_is_in_no_answer(tmp_path: Path, path: str) -> None:
    """No redirect leads there; a cache before the service could give it to others."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    with served(fake_app_on(tmp_path)) as client:
        url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
        answer = client.get(url, headers=headers)

    assert answer.status_code == 404
    assert "evil.example" not in answer.text + str(answer.headers)


def test_a_link_that_leads_out_of_the_repository_is_not_served(tmp_path: Path) -> None:
    """A sound version elsewhere, linked into the repository, answers nothing and tells nothing."""
    elsewhere = fake_repository(tmp_path / "elsewhere").root
    root = fake_repository(tmp_path / "models").root
    (root / "colours" / "2").symlink_to(elsewhere / "colours" / "1")
    (root / "secret").symlink_to(elsewhere / "colours")

    with served(fake_app_on(root)) as client:
        answers = [
            client.post(path, content=PICTURE)
            for path in ("/models/colours/versions/2/predict", "/models/secret/versions/1/predict")
        ]
        listed = client.get("/models")
        sound = client.post("/predict", content=PICTURE)

    assert [answer.status_code for answer in answers] == [409, 409]
    described = {
        (each["name"], each["version"]) for each in listed.json()["versions"] if "labels" in each
    }
    assert described == {("colours", "1")}
    assert str(tmp_path) not in "".join(answer.text for answer in (*answers, listed))
    assert sound.status_code == 200


def test_a_file_of_names_that_leads_elsewhere_changes_nothing(tmp_path: Path) -> None:
    """It is refused, which anyone may read, and not where it lies."""
    root = fake_repository(tmp_path / "models").root
    other = fake_repository(tmp_path / "elsewhere", versions=2).root
    with served(fake_app_on(root)) as client:
        (root / "active.json").unlink()
        (root / "active.json").symlink_to(other / "active.json")
        deadline = time.monotonic() + 60
        while "active.json cannot be read" not in (ready := client.get("/health/ready")).text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        answer = client.post("/predict", content=PICTURE)

    assert str(tmp_path) not in ready.text
    assert (ready.status_code, answer.status_code) == (200, 200)


def test_a_failure_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    """A bug of ours is a short sentence for the caller; the traceback is for the log."""
    fake_repository(tmp_path)

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError(str(tmp_path))

    settings = Settings(repository=tmp_path, device="cpu")
    with served(create_app(settings, lambda _model, _threads: FakeSession(), fail)) as client:
        answer = client.post("/predict", content=PICTURE)

    assert answer.status_code == 500
    assert str(tmp_path) not in answer.text
    assert "Traceback" not in answer.text
