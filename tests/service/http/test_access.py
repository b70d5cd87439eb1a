"""Who is let in: by which key, to which path, how often."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.admin import create_admin_app
from service.app import App
from service.http.access import needed_for, shown_key
from service.keys.file import add_key, revoke_key
from service.keys.key import KeyScope, make_key
from service.settings import Settings
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, fake_repository
from tests.service.http.test_named_models import until
from tests.service.http.v2.bodies import INFER
from tests.service.models import fake_app_on, served

PICTURE = encoded(coloured("red", 1))
SHOP = make_key("shop", [KeyScope.PREDICT])
OPS = make_key("ops", [KeyScope.ADMIN])
SLOW = make_key("slow", [KeyScope.PREDICT], rate=0.001, burst=2)
LOAD, UNLOAD = (f"/v2/repository/models/colours/{what}" for what in ("load", "unload"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a repository of a fake model, and a keys file with three keys."""
    folder = tmp_path_factory.mktemp("service")
    fake_repository(folder / "models")
    for made in (SHOP, OPS, SLOW):
        add_key(folder / "keys.json", made.entry)
    return folder


def app_in(folder: Path, **settings: Any) -> App:
    """Make an application that lets in whoever holds one of the keys."""
    return fake_app_on(folder / "models", **{"keys_file": folder / "keys.json", **settings})


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    """Serve it for all tests that change nothing."""
    with served(app_in(folder)) as client:
        yield client


def bearer(text: str) -> dict[str, str]:
    """Show a key."""
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize(
    "headers",
    [
        bearer(SHOP.text),
        {"Authorization": f"bearer  {SHOP.text}"},
        {"X-API-Key": SHOP.text},
        {"Authorization": "Basic c2hvcDpzaG9w", "X-API-Key": SHOP.text},
    ],
)
def test_a_key_is_shown_in_one_of_two_headers(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    """As a bearer's token or by a name of its own, which a proxy's own header leaves free."""
    assert client.post("/predict", content=PICTURE, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "no-key"),
        ({"Authorization": "Basic c2hvcDpzaG9w"}, "no-key"),
        (bearer("gs_nonsense"), "unknown-key"),
        (bearer(SHOP.text[:-1] + "!"), "unknown-key"),
        (bearer(SHOP.entry.sha256), "unknown-key"),
        ({"X-API-Key": ""}, "unknown-key"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/models/colours/explain", "/nothing"])
def test_without_a_good_key_nothing_is_answered(
    client: httpx.Client, path: str, headers: dict[str, str], kind: str
) -> None:
    """401 as a problem with the scheme; an unknown path is told from a known one by nobody."""
    answer = client.post(path, content=PICTURE, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="goodserve"'
    assert answer.json()["type"] == f"urn:goodserve:problem:{kind}"
    assert SHOP.text not in answer.text


def test_a_refused_body_reaches_no_model(folder: Path) -> None:
    """A large body without a key is neither kept nor run, and the connection serves on."""
    session = FakeSession()
    with served(app_in(folder, session=session)) as client:
        runs = len(session.batches)
        refused = client.post("/predict", content=b"x" * 40_000_000)
        metrics = client.get("/metrics").text
        answer = client.post("/predict", content=PICTURE, headers=bearer(SHOP.text))

    assert (refused.status_code, answer.status_code) == (401, 200)
    assert len(session.batches) == runs + 1
    assert 'goodserve_denied_total{reason="no-key"} 1.0' in metrics
    assert 'goodserve_requests_total{outcome="client_error"} 0.0' in metrics


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("POST", "/predict", (401, 200, 403)),
        ("POST", "/explain", (401, 409, 403)),
        ("POST", "/models/colours/versions/1/predict", (401, 200, 403)),
        ("POST", INFER, (401, 400, 403)),
        ("GET", "/v2/models/colours", (401, 200, 403)),
        ("POST", "/v2/repository/index", (401, 400, 403)),
        ("POST", LOAD, (401, 403, 200)),
        ("POST", UNLOAD, (401, 403, 403)),
        ("GET", "/admin/models", (401, 403, 200)),
        ("GET", "/models", (401, 200, 200)),
        ("GET", "/metrics", (200, 200, 200)),
        ("GET", "/health/live", (200, 200, 200)),
        ("GET", "/health/ready", (200, 200, 200)),
        ("GET", "/v2/health/ready", (200, 200, 200)),
        ("GET", "/", (200, 200, 200)),
        ("GET", "/page/main.js", (200, 200, 200)),
        ("GET", "/docs", (200, 200, 200)),
        ("GET", "/openapi.json", (200, 200, 200)),
    ],
)
def test_what_needs_which_scope(
    client: httpx.Client, method: str, path: str, statuses: tuple[int, int, int]
) -> None:
    """Without a key, with one to predict, and with an admin's: neither includes the other."""
    content = PICTURE if method == "POST" else None

    answers = [
        client.request(method, path, content=content, headers=headers)
        for headers in ({}, bearer(SHOP.text), bearer(OPS.text))
    ]

    assert tuple(answer.status_code for answer in answers) == statuses


@pytest.mark.parametrize(
    "path",
    ["/new", "//admin/models", "/Admin/models", "/predict/", "/health/", "/v2/new", "/page"],
)
def test_what_is_not_listed_is_not_open(path: str) -> None:
    """A route that somebody adds needs a key until somebody says otherwise."""
    assert needed_for(path) == {KeyScope.PREDICT}


@pytest.mark.parametrize("path", ["/%61dmin/models", "/admin/../admin/models", "/admin//models"])
def test_no_spelling_of_a_path_gets_past_its_scope(client: httpx.Client, path: str) -> None:
    """An admin's path in other letters is an admin's path, or none at all."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())

    answer = client.get(url, headers=bearer(SHOP.text))

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{LOAD}%0A"),
        ("POST", f"{UNLOAD}%0A"),
        ("GET", "/admin/models%0A"),
        ("GET", "/metrics%0A"),
        ("GET", "/models%0A"),
        ("GET", "/%7fmodels"),
    ],
)
@pytest.mark.parametrize("headers", [{}, bearer(SHOP.text), bearer(OPS.text)])
def test_no_path_has_a_control_character(
    client: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    """The framework takes one with a line end behind it for the one without; nobody gets there."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())

    answer = client.request(method, url, headers=headers)

    assert answer.status_code == 404
    assert "a path has no control characters" in answer.text


def test_the_admin_port_has_no_such_path_either(folder: Path) -> None:
    """Whatever key is shown."""
    settings = Settings(repository=folder / "models", keys_file=folder / "keys.json")
    with served(create_admin_app(settings)) as client:
        url = httpx.URL(str(client.base_url)).copy_with(raw_path=b"/admin/models%0A")
        answers = [client.get(url, headers=bearer(made.text)) for made in (SHOP, OPS)]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_metrics_can_be_closed(folder: Path) -> None:
    """Then any key opens them."""
    with served(app_in(folder, open_metrics=False)) as client:
        answers = [
            client.get("/metrics", headers=headers).status_code
            for headers in ({}, bearer(SHOP.text), bearer(OPS.text))
        ]

    assert answers == [401, 200, 200]


def test_a_key_has_its_rate(client: httpx.Client) -> None:
    """Two at once, then 429 with the seconds to wait; another key is not held up."""
    answers = [
        client.post("/predict", content=PICTURE, headers=bearer(SLOW.text)) for _ in range(3)
    ]
    other = client.post("/predict", content=PICTURE, headers=bearer(SHOP.text))

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 990 <= int(answers[2].headers["retry-after"]) <= 1000
    assert "'slow' allows 0.001 requests a second, 2 at once" in answers[2].json()["detail"]
    assert other.status_code == 200


def test_a_scope_that_is_missing_is_named_and_noted(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller hears what the key has and what it lacks; the log hears who tried what."""
    with caplog.at_level(logging.INFO, "goodserve.audit"):
        answer = client.get("/admin/models", headers=bearer(SHOP.text))

    assert answer.json()["detail"] == "the key 'shop' has the scope predict, and this needs admin"
    assert "key=shop action=GET of=/admin/models outcome=missing-scope" in caplog.text


def test_the_protocol_words_it_in_its_own_way(client: httpx.Client) -> None:
    """Below /v2 an error has one field."""
    answer = client.post(INFER, content=b"{}")

    assert answer.status_code == 401
    assert list(answer.json()) == ["error"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_keys_change_while_the_service_runs(folder: Path, tmp_path: Path) -> None:
    """A new key is let in and a revoked one is not, within a second and on an open connection."""
    late, path = make_key("late", [KeyScope.PREDICT]), tmp_path / "keys.json"
    add_key(path, SHOP.entry)
    with served(app_in(folder, keys_file=path)) as client:

        def statuses() -> list[int]:
            given = (bearer(key.text) for key in (SHOP, late))
            return [client.get("/models", headers=each).status_code for each in given]

        before = statuses()
        add_key(path, late.entry)
        revoke_key(path, "shop")
        # Not both at once: the service may read the file between the two changes.
        until(lambda: statuses() == [401, 200])

    assert before == [200, 401]


def test_without_keys_all_may_predict_and_nobody_may_change(tmp_path: Path) -> None:
    """As before; the admin endpoints say how to turn them on."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path)) as client:
        predicted = client.post("/predict", content=PICTURE)
        states = client.get("/admin/models", headers=bearer(OPS.text))
        change = client.post("/admin/models/colours/versions/1/activate")
        described = client.get("/openapi.json").json()["paths"]

    assert (predicted.status_code, states.status_code, change.status_code) == (200, 403, 403)
    assert change.json()["type"] == "urn:goodserve:problem:admin-off"
    assert "goodserve keys new NAME --scope admin" in change.json()["detail"]
    assert "security" in described["/admin/models"]["get"]
    assert "security" not in described["/predict"]["post"]


def test_the_description_says_what_needs_a_key(client: httpx.Client) -> None:
    """By the rule that decides, so that the two cannot differ."""
    description = client.get("/openapi.json").json()
    paths = description["paths"]

    assert set(description["components"]["securitySchemes"]) == {"bearer", "apiKey"}
    for path, operations in paths.items():
        is_open = path == "/metrics" or not needed_for(path)
        assert all(("security" in each) != is_open for each in operations.values()), path
        assert all(("401" in each["responses"]) != is_open for each in operations.values()), path


def test_a_bearers_token_comes_before_the_other_header() -> None:
    """A caller that sends both is known by the standard one."""
    headers = [(b"x-api-key", b"a"), (b"authorization", b"Bearer b")]

    assert shown_key(headers) == b"b"
    assert shown_key(headers[:1]) == b"a"
    assert shown_key([]) is None
