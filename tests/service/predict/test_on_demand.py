"""Models that are loaded when they are first named, behind a real server."""

import errno
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.artifact.files import read_regular
from service.app import create_app
from service.settings import Settings
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, Gate, fake_repository
from tests.service.http.test_named_models import until
from tests.service.http.test_trials import state
from tests.service.models import served

PICTURE = encoded(coloured("red", 1))
SECOND = "/models/colours/versions/2/predict"


def test_a_caller_in_a_hurry_does_not_wait_for_a_model_to_be_loaded(tmp_path: Path) -> None:
    """It gets 504 in time; the load goes on, once for all, and the next caller has its answer."""
    fake_repository(tmp_path, versions=2)
    gate, opened = Gate(), list[bytes]()

    def open_session(model: bytes, _threads: int) -> FakeSession:
        opened.append(model)
        if model.endswith(b"2"):
            gate()
        return FakeSession()

    settings = Settings(repository=tmp_path, device="cpu", workers=1, lone_threads=1)
    with served(create_app(settings, open_session)) as client, ThreadPoolExecutor(1) as threads:
        patient = threads.submit(client.post, SECOND, content=PICTURE)
        gate.wait_until_entered()
        for _ in range(2):
            hurried = client.post(SECOND, content=PICTURE, headers={"X-Request-Timeout-Ms": "500"})
            assert hurried.status_code == httpx.codes.GATEWAY_TIMEOUT
            assert "the model was loaded, which goes on" in hurried.json()["detail"]
        assert client.post("/predict", content=PICTURE).json()["model"]["version"] == "1"
        gate.let(10)
        answer = patient.result(timeout=30)

        assert answer.json()["model"]["version"] == "2"
        assert sum(model.endswith(b"2") for model in opened) == 1


def test_a_caller_who_leaves_does_not_stop_the_loading(tmp_path: Path) -> None:
    """Nobody waits any more, and the model is there for the next one."""
    fake_repository(tmp_path, versions=2)
    gate = Gate()

    def open_session(model: bytes, _threads: int) -> FakeSession:
        if model.endswith(b"2"):
            gate()
        return FakeSession()

    settings = Settings(repository=tmp_path, device="cpu", workers=1, lone_threads=1)
    with served(create_app(settings, open_session)) as client:
        head = f"POST {SECOND} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
        where = (client.base_url.host, client.base_url.port)
        with socket.create_connection(where) as impatient:
            impatient.sendall(head.encode() + PICTURE)
            gate.wait_until_entered()
        until(lambda: 'outcome="disconnected"} 1.0' in client.get("/metrics").text)
        gate.let(10)
        until(lambda: state(client, "2") == "ready")


@pytest.mark.parametrize("lacks", ["files", "memory"])
def test_a_shortage_of_the_machine_is_not_the_versions_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """Callers are told to come again, not that the version is bad; and soon it is loaded."""
    fake_repository(tmp_path, versions=2)
    short_of = {lacks}

    def read(path: Path, *rest: Any) -> Any:
        if "files" in short_of and path.parent.name == "2" and path.name == "manifest.json":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return read_regular(path, *rest)

    def open_session(model: bytes, _threads: int) -> FakeSession:
        if "memory" in short_of and model.endswith(b"2"):
            raise MemoryError
        return FakeSession()

    monkeypatch.setattr("model.artifact.folder.read_regular", read)
    settings = Settings(repository=tmp_path, device="cpu", workers=1, lone_threads=1)
    with served(create_app(settings, open_session)) as client:
        for _ in range(2):  # the second time it is not even tried
            refused = client.post(SECOND, content=PICTURE)
            assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert refused.json()["type"] == "urn:goodserve:problem:not-ready"
        assert states(client)["2"] == "refused"
        short_of.clear()
        until(lambda: client.post(SECOND, content=PICTURE).status_code == httpx.codes.OK)
        assert states(client)["2"] == "ready"


def states(client: httpx.Client) -> dict[str, str]:
    """Say where each version of the model is in its life."""
    return {each["version"]: each["state"] for each in client.get("/models").json()["versions"]}


def test_a_repository_that_goes_away_while_a_version_is_loaded_is_no_bad_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found, and then nothing was there to read: 503, and an answer when it is back."""
    root, aside = tmp_path / "models", tmp_path / "aside"
    root.mkdir()
    fake_repository(root, versions=2)

    def read(path: Path, *rest: Any) -> Any:
        if path.parent.name == "2" and not (aside.exists() or (tmp_path / "back").exists()):
            root.rename(aside)
        return read_regular(path, *rest)

    monkeypatch.setattr("model.artifact.folder.read_regular", read)
    settings = Settings(repository=root, device="cpu", workers=1, lone_threads=1)
    with served(create_app(settings, lambda _model, _threads: FakeSession())) as client:
        for _ in range(2):
            refused = client.post(SECOND, content=PICTURE)
            assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE, refused.text
        (tmp_path / "back").touch()
        aside.rename(root)
        until(lambda: client.post(SECOND, content=PICTURE).status_code == httpx.codes.OK)
