"""The service serves straight from a bucket of a real S3 server, and outlives it."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.__main__ import main
from tests.bucket import S3Server, new_bucket, s3_server
from tests.e2e.server import running
from tests.model.artifact.tiny import tiny_model
from tests.pictures import coloured, encoded

PICTURE = encoded(coloured("red", 1))


@pytest.fixture(name="server")
def running_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Run an S3 server, and let the environment say where it is."""
    with s3_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(name="address")
def pushed(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Fill a folder with two versions, and push the first one into an empty bucket."""
    assert server.process.poll() is None
    folder = ModelRepository(tmp_path / "models")
    for seed in range(2):
        tiny = tiny_model(seed)
        folder.publish("colours", tiny.model, tiny.manifest)
    folder.activate(VersionId("colours", "1"))
    monkeypatch.setenv("GOODSERVE_REPOSITORY", str(folder.root))
    address = f"s3://{new_bucket()}/ours"
    assert main(["models", "push", "colours", "--to", address, "--activate"]) == 0
    return address


def version(url: str) -> str:
    """Ask which version answers, by a real prediction."""
    response = httpx.post(f"{url}/predict", content=PICTURE, timeout=30)
    assert response.status_code == httpx.codes.OK, response.text
    return str(response.json()["model"]["version"])


def comes(url: str, wanted: str, seconds: float = 60) -> bool:
    """Wait until a version answers; every answer until then must be one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if version(url) == wanted:
            return True
        time.sleep(0.2)
    return False


def test_a_pushed_version_goes_live(address: str) -> None:
    """Every process swaps to it, and back again by a roll-back; answers do not tell the place."""
    with running(address, "--poll-interval-s", "0.5", "--workers", "2") as service:
        assert version(service.url) == "1"
        assert main(["models", "push", "colours/2", "--to", address, "--activate"]) == 0
        assert comes(service.url, "2")

        assert address not in httpx.get(f"{service.url}/models").text
        assert main(["models", "rollback", "--repository", address]) == 0
        assert comes(service.url, "1")
        assert service.stop() == 0


def test_a_service_goes_on_while_its_bucket_hangs(address: str, server: S3Server) -> None:
    """Answers and readiness go on, and the next version comes once the server answers again."""
    with running(address, "--poll-interval-s", "0.5", "--workers", "1") as service:
        assert version(service.url) == "1"
        with server.hanging():
            ended = time.monotonic() + 5
            while time.monotonic() < ended:
                assert version(service.url) == "1"
                assert httpx.get(f"{service.url}/health/ready").status_code == httpx.codes.OK
        assert main(["models", "push", "colours/2", "--to", address, "--activate"]) == 0
        assert comes(service.url, "2")


def test_pull_brings_a_version_and_says_what_is_there(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under its own number, once; a version of another content is refused."""
    mine = str(tmp_path / "mine")
    command = ["models", "pull", "colours", "--from", address, "--repository", mine]

    assert main([*command, "--activate"]) == 0
    assert main(command) == 0
    here = ModelRepository(Path(mine))
    assert here.active() == VersionId("colours", "1")
    assert here.read(VersionId("colours", "1")).model == tiny_model(0).model

    other = ModelRepository(tmp_path / "other")
    tiny = tiny_model(2)
    other.publish("colours", tiny.model, tiny.manifest)
    refused = ["models", "push", "colours/1", "--to", mine, "--repository", str(other.root)]
    assert main(refused) == 2
    missing = ["models", "pull", "shapes", "--from", address, "--repository", mine]
    assert main(missing) == 2

    printed = capsys.readouterr()
    assert f"colours/1 is copied to {mine}" in printed.out
    assert f"colours/1 is there already: {mine}" in printed.out
    assert "colours/1 is there already" in printed.err
    assert "no version of shapes is active" in printed.err
