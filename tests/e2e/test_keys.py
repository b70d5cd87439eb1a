"""Keys before a real service of two processes."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx

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
            assert time.monotonic() - made < 10
        assert server.stop() == 0

    assert passed == {200: 10, 429: 30}
    assert {key.name for key in read_keys(path).keys} == {"slow", "ops"}
    assert not any(text in server.said for text in (slow.text, admin))
