"""Keys before a real service of two processes."""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from service.__main__ import main
from service.keys.file import add_key, read_keys
from service.keys.key import KeyScope, make_key
from tests.e2e.server import running
from tests.e2e.test_processes import PICTURE, tiny_repository
from tests.e2e.test_server import workers_of


def made_by_command(path: Path, *arguments: str) -> str:
    """Make a key as an operator does."""
    command = [sys.executable, "-m", "service", "keys", "new", *arguments]
    environment = os.environ | {"GOODSERVE_KEYS_FILE": str(path)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_processes_share_a_rate_and_see_changes(tmp_path: Path) -> None:
    """Ten of forty requests pass, whichever process takes them; a new key opens all of them."""
    repository, path = tiny_repository(tmp_path), tmp_path / "keys.json"
    slow = make_key("slow", [KeyScope.PREDICT], rate=0.01, burst=10)
    add_key(path, slow.entry)

    with running(repository, "--workers", "2", "--keys-file", str(path)) as server:
        assert len(workers_of(server.process.pid)) == 2

        def ask(text: str) -> int:
            """Ask on a connection of its own: they go to the two processes in turn."""
            headers = {"Authorization": f"Bearer {text}"}
            return httpx.post(f"{server.url}/predict", content=PICTURE, headers=headers).status_code

        passed = Counter(ask(slow.text) for _ in range(40))
        admin = made_by_command(path, "ops", "--scope", "admin")
        made = time.monotonic()
        headers = {"Authorization": f"Bearer {admin}"}
        in_a_row = 0
        while in_a_row < 10:
            answer = httpx.get(f"{server.url}/admin/models", headers=headers)
            in_a_row = in_a_row + 1 if answer.status_code == 200 else 0
            assert time.monotonic() - made < 60
        assert server.stop() == 0

    assert passed == {200: 10, 429: 30}
    assert {key.name for key in read_keys(path).keys} == {"slow", "ops"}
    assert not any(text in server.said for text in (slow.text, admin))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_admin_port_is_the_only_one(tmp_path: Path, workers: str) -> None:
    """Changes are made there and seen by the service; on the service's own port there are none."""
    repository, path = tiny_repository(tmp_path), tmp_path / "keys.json"
    admin = make_key("ops", [KeyScope.ADMIN])
    add_key(path, admin.entry)
    flags = ["--workers", workers, "--keys-file", str(path), "--admin-port", "0"]

    with running(repository, *flags) as server:
        found = re.search(r"admin endpoints on (http://127\.0\.0\.1:\d+)", server.said)
        assert found is not None
        headers = {"Authorization": f"Bearer {admin.text}"}
        here, there = f"{found[1]}/admin/models", f"{server.url}/admin/models"
        without = httpx.get(here).status_code
        states = httpx.get(here, headers=headers)
        label = httpx.put(f"{here}/tiny/versions/1/labels/best", headers=headers)
        other = httpx.post(f"{found[1]}/predict", headers=headers)
        elsewhere = httpx.get(there, headers=headers)
        described = httpx.get(f"{found[1]}/openapi.json", timeout=60).json()["paths"]
        assert server.stop() == 0

    assert (without, states.status_code, label.status_code) == (401, 200, 200)
    assert label.json()["labels"] == {"stable": "1", "best": "1"}
    assert (other.status_code, elsewhere.status_code) == (403, 404)
    assert "security" in described["/admin/models"]["get"]
    assert "key=ops action=label best of=tiny/1 outcome=done" in server.said


def test_an_admin_port_without_keys_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It would open nothing."""
    assert main(["serve", "--admin-port", "0"]) == 2
    assert "admin_port 0 opens nothing without keys" in capsys.readouterr().err


def test_an_admin_port_that_is_taken_is_one_line(
    tmp_path: Path,
) -> None:
    """Status 1, and which port it was."""
    repository, path = tiny_repository(tmp_path), tmp_path / "keys.json"
    add_key(path, make_key("ops", [KeyScope.ADMIN]).entry)
    flags = ["--repository", str(repository), "--keys-file", str(path), "--port", "0"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "service", "serve", *flags, "--admin-port", port]
        found = subprocess.run(command, capture_output=True, text=True, check=False)

    assert found.returncode == 1
    assert f"goodserve: cannot listen on 127.0.0.1, port {port}" in found.stderr
