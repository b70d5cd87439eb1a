"""The admin endpoints, on a real repository behind a real server."""

import asyncio
import itertools
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request

from model.artifact.repository import ModelRepository
from model.artifact.version import ConflictError as OthersFirstError
from model.artifact.version import VersionId
from service.errors import ConflictError
from service.http.admin.changes import Changes
from service.keys.file import add_key
from service.keys.key import KeyScope, make_key
from service.logs import AUDIT, JsonLines
from tests.service.fakes import fake_manifest, fake_repository
from tests.service.models import fake_app_on, served

OPS = make_key("ops", [KeyScope.ADMIN])
SHOP = make_key("shop", [KeyScope.PREDICT])
COLOURS = "/admin/models/colours"


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Publish three versions of colours, the first active, and one of others, which is not."""
    repository = fake_repository(tmp_path / "models", versions=3)
    repository.publish("others", b"other", fake_manifest(model=b"other"))
    return repository


@pytest.fixture
def client(tmp_path: Path, repository: ModelRepository) -> Iterator[httpx.Client]:
    """Serve it, and give a client with an admin's key."""
    for made in (OPS, SHOP):
        add_key(tmp_path / "keys.json", made.entry)
    with served(fake_app_on(repository.root, keys_file=tmp_path / "keys.json")) as client:
        client.headers["Authorization"] = f"Bearer {OPS.text}"
        yield client


def ask(client: httpx.Client, method: str, path: str) -> Any:
    """Send a request that must succeed; give its answer."""
    answer = client.request(method, path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_version_is_activated_and_taken_back(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """The answer tells the model's state, and the service soon answers by it."""
    activated = ask(client, "POST", f"{COLOURS}/versions/2/activate")
    deadline = time.monotonic() + 60
    while client.get("/health/ready").json()["model"]["version"] != "2":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    rolled_back = ask(client, "POST", f"{COLOURS}/rollback")

    assert activated == {
        "name": "colours",
        "active": "2",
        "previous": ["1"],
        "labels": {"stable": "2"},
        "canary": None,
        "stopped": None,
        "is_default": True,
    }
    assert (rolled_back["active"], rolled_back["previous"]) == ("1", [])
    assert repository.active() == VersionId("colours", "1")


def test_labels_are_set_moved_and_removed(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """A label names one version; the one that always names the active version cannot be moved."""
    ask(client, "PUT", f"{COLOURS}/versions/2/labels/best")
    moved = ask(client, "PUT", f"{COLOURS}/versions/3/labels/best")
    refused = client.put(f"{COLOURS}/versions/3/labels/stable")
    removed = ask(client, "DELETE", f"{COLOURS}/labels/best")
    again = client.delete(f"{COLOURS}/labels/best")

    assert moved["labels"] == {"stable": "1", "best": "3"}
    assert (refused.status_code, refused.json()["title"]) == (422, "Bad label")
    assert removed["labels"] == {"stable": "1"}
    assert again.status_code == 404
    assert "no label 'best'" in again.json()["detail"]
    state = repository.state()
    assert state is not None
    assert state.models["colours"].labels == {}


def test_a_version_is_tried_and_promoted_or_not(client: httpx.Client) -> None:
    """On the share that the query names; what is active already cannot be tried."""
    tried = ask(client, "POST", f"{COLOURS}/versions/2/canary?percent=20&shadow=true")
    abandoned = ask(client, "POST", f"{COLOURS}/abandon")
    again = client.post(f"{COLOURS}/abandon")
    ask(client, "POST", f"{COLOURS}/versions/3/canary?percent=0")
    promoted = ask(client, "POST", f"{COLOURS}/promote")
    active = client.post(f"{COLOURS}/versions/3/canary")

    assert (tried["canary"]["version"], tried["canary"]["percent"]) == ("2", 20)
    assert tried["canary"]["shadow"] is True
    assert tried["labels"] == {"stable": "1", "canary": "2"}
    assert (abandoned["canary"], again.status_code) == (None, 404)
    assert again.json()["detail"] == "no version of colours is on trial"
    assert (promoted["active"], promoted["canary"]) == ("3", None)
    assert (active.status_code, active.json()["title"]) == (409, "Already active")


def test_the_default_changes_and_a_model_goes(client: httpx.Client) -> None:
    """The default one cannot be deactivated; another one can be made it first."""
    ask(client, "POST", "/admin/models/others/versions/1/activate")
    refused = client.post(f"{COLOURS}/deactivate")
    ask(client, "POST", "/admin/models/others/default")
    gone = ask(client, "POST", f"{COLOURS}/deactivate")

    assert (refused.status_code, refused.json()["title"]) == (409, "Default model")
    assert (gone["active"], gone["is_default"]) == (None, False)
    states = ask(client, "GET", "/admin/models")["models"]
    assert [(each["name"], each["is_default"]) for each in states] == [("others", True)]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"{COLOURS}/versions/9/activate", 404),
        ("POST", f"{COLOURS}/versions/01/activate", 404),
        ("POST", f"{COLOURS}/versions/-1/activate", 404),
        ("POST", f"{COLOURS}/versions/..%2f1/activate", 404),
        ("POST", "/admin/models/..%2f..%2fetc/rollback", 404),
        ("POST", "/admin/models/../../etc/rollback", 403),
        ("POST", "/admin/models/.hidden/default", 404),
        ("POST", "/admin/models/COLOURS/default", 404),
        ("POST", "/admin/models/others/default", 404),
        ("POST", f"{COLOURS}/rollback", 404),
        ("PUT", f"{COLOURS}/versions/2/labels/7", 422),
        ("PUT", f"{COLOURS}/versions/2/labels/..", 404),
        ("PUT", f"{COLOURS}/versions/2/labels/%20", 422),
        ("POST", f"{COLOURS}/promote", 404),
        ("POST", f"{COLOURS}/versions/9/canary", 404),
        ("POST", f"{COLOURS}/versions/2/canary?percent=101", 422),
        ("POST", f"{COLOURS}/versions/2/canary?percent=nan", 422),
        ("POST", f"{COLOURS}/versions/2/canary?share=5", 422),
        ("GET", f"{COLOURS}/rollback", 405),
    ],
)
def test_what_cannot_be_done_is_a_problem(
    client: httpx.Client, repository: ModelRepository, method: str, path: str, status: int
) -> None:
    """With its status, without the server's paths, and without a change."""
    before = (repository.root / "active.json").read_bytes()

    answer = client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert str(repository.root) not in answer.text
    assert (repository.root / "active.json").read_bytes() == before


def test_a_broken_version_is_not_activated(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """What is not what was published is a conflict, and what serves goes on."""
    graph = repository.root / "colours" / "2" / "model.onnx"
    graph.chmod(0o644)
    graph.write_bytes(b"something else")

    answer = client.post(f"{COLOURS}/versions/2/activate")

    assert (answer.status_code, answer.json()["title"]) == (409, "Version refused")
    assert "colours/2 is corrupt" in answer.json()["detail"]
    assert repository.active() == VersionId("colours", "1")


def test_a_repository_that_cannot_be_read_is_our_fault(
    client: httpx.Client, repository: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller hears that, the log hears which file and why."""
    (repository.root / "active.json").write_text("{")

    answer = client.post(f"{COLOURS}/rollback")

    assert (answer.status_code, answer.json()["title"]) == (500, "Repository failed")
    assert str(repository.root) not in answer.text
    assert "active.json cannot be read" in caplog.text


def test_who_is_never_first_may_try_again(repository: ModelRepository) -> None:
    """Others who change the same file at once are no fault of ours, and nobody's for long."""

    def fail() -> None:
        message = f"{repository.place}/active.json is being changed by others; try again"
        raise OthersFirstError(message)

    async def change() -> None:
        await Changes(repository).make(Request({"type": "http"}), "activate", "colours", fail)

    with pytest.raises(ConflictError, match=r"^the repository/active.json is .*; try again") as it:
        asyncio.run(change())
    assert it.value.kind == "changed-meanwhile"


@pytest.mark.parametrize(
    ("text", "status"),
    [(SHOP.text, 403), ("gs_no", 401), (OPS.entry.sha256, 401)],
    ids=["of-the-shop", "of-nobody", "a-digest"],
)
def test_no_other_key_changes_anything(
    client: httpx.Client, repository: ModelRepository, text: str, status: int
) -> None:
    """One to predict, none of ours, and what the keys file holds of the right one."""
    headers = {"Authorization": f"Bearer {text}"}

    answers = [
        client.post(f"{COLOURS}/versions/2/activate", headers=headers),
        client.put(f"{COLOURS}/versions/2/labels/best", headers=headers),
        client.get("/admin/models", headers=headers),
    ]

    assert {answer.status_code for answer in answers} == {status}
    assert repository.active() == VersionId("colours", "1")


def test_who_did_what_is_logged(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """The key's name, what was done to what, how it ended and by which request; never the key."""
    with caplog.at_level(logging.INFO, AUDIT):
        done = client.post(f"{COLOURS}/versions/2/activate", headers={"X-Request-Id": "seven"})
        client.post(f"{COLOURS}/versions/9/activate")

    assert done.status_code == 200
    records = [record for record in caplog.records if record.name == AUDIT]
    first, second = (json.loads(JsonLines().format(record)) for record in records)
    assert first["message"] == (
        "audit: key=ops action=activate of=colours/2 outcome=done client=127.0.0.1"
    )
    assert [first[name] for name in ("key", "action", "of", "outcome", "client")] == [
        *("ops", "activate", "colours/2", "done", "127.0.0.1")
    ]
    assert (second["of"], second["outcome"]) == ("colours/9", "unknown-model")
    assert OPS.text not in caplog.text


def test_the_protocols_load_is_noted_in_one_line(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the path holds: an end of a line in it ends none in the log."""
    with caplog.at_level(logging.INFO, AUDIT):
        client.post("/v2/repository/models/colours/load")
        client.post("/v2/repository/models/x%e2%80%a8forged/load")

    messages = [record.getMessage() for record in caplog.records if record.name == AUDIT]
    assert messages == [
        "audit: key=ops action=load of=colours outcome=done client=127.0.0.1",
        "audit: key=ops action=load of='x\\u2028forged' outcome=unknown-model client=127.0.0.1",
    ]


def test_changes_at_once_are_made_one_after_the_other(
    client: httpx.Client, repository: ModelRepository
) -> None:
    """Twelve callers, two versions: each is answered, and the history holds every change."""

    def work(version: int) -> None:
        answers.append(client.post(f"{COLOURS}/versions/{version}/activate").status_code)

    answers: list[int] = []
    threads = [threading.Thread(target=work, args=(2 + number % 2,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 12
    state = repository.state()
    assert state is not None
    assert state.models["colours"].active in "23"
    previous = state.models["colours"].previous
    assert previous[0] == "1"
    assert all(a != b for a, b in itertools.pairwise(previous))
