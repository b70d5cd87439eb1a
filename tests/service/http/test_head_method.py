"""HEAD is answered as GET is, without the body: monitors probe by it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.admin import create_admin_app
from service.keys.file import add_key
from service.keys.key import KeyScope, make_key
from service.settings import Settings
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

PAGES = ["/", "/docs", "/favicon.ico", "/openapi.json", "/page/nothing.css", "/v2/", "/nothing"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake model."""
    root = tmp_path_factory.mktemp("head")
    fake_repository(root)
    with served(fake_app_on(root)) as client:
        yield client


def documented(client: httpx.Client) -> list[str]:
    """List the paths that answer GET, of the fake model."""
    paths = client.get("/openapi.json").json()["paths"]
    found = [path for path, operations in paths.items() if "get" in operations]
    return [path.format(name="colours", version="1") for path in found]


def test_every_path_that_answers_get_answers_head(client: httpx.Client) -> None:
    """The same status and headers."""
    paths = documented(client)
    assert {"/health/live", "/health/ready", "/models", "/metrics", "/v2/health/live"} < set(paths)

    for path in [*paths, *PAGES]:
        found, whole = client.head(path), client.get(path)

        assert found.status_code == whole.status_code, path
        assert found.headers["content-type"] == whole.headers["content-type"], path
        assert set(found.headers) == set(whole.headers), path
        assert not found.content


def test_no_body_is_sent(client: httpx.Client) -> None:
    """Nothing follows the head, which tells how long the body would be."""
    url = client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(b"HEAD /models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: " in head
    assert body == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/predict", "POST"),
        ("HEAD", "/v2/models/colours/infer", "POST"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    """405 names them."""
    answer = client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_the_admin_port_answers_likewise(tmp_path: Path) -> None:
    """With the key that GET needs."""
    repository = fake_repository(tmp_path / "models")
    made = make_key("ops", [KeyScope.ADMIN])
    add_key(tmp_path / "keys.json", made.entry)
    settings = Settings(repository=repository.root, keys_file=tmp_path / "keys.json")

    with served(create_admin_app(settings)) as client:
        statuses = [client.head(path).status_code for path in ("/health/live", "/admin/models")]
        headers = {"Authorization": f"Bearer {made.text}"}
        allowed = client.head("/admin/models", headers=headers)

    assert (statuses, allowed.status_code) == ([200, 401], 200)
