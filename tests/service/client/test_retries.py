"""When the client asks again: by a pure rule, and over real sockets."""

import socket
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client import (
    AsyncClient,
    Client,
    GoodserveError,
    ServerError,
    TimedOutError,
    TryLaterError,
    UnauthorizedError,
    UnreachableError,
)
from service.client.errors import problem_of, retry_after_s
from service.client.retry import Patience, pause_s
from tests.service.client.servers import ANSWER, PROBLEM, Reply, Scripted, hanging_up
from tests.service.models import served

OK: Reply = (200, {}, ANSWER)
SOON: Reply = (503, {}, PROBLEM)
NOW = 1_800_000_000.0
chances = st.floats(0, 1)


def busy(retry_after: str | None) -> GoodserveError:
    """Make the error of a 429."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return problem_of(httpx.Response(429, headers=headers, content=PROBLEM), NOW)


@given(st.integers(1, 50), chances, st.integers(1, 30))
def test_retry_after_is_honoured(tries: int, chance: float, seconds: int) -> None:
    """Never sooner, and at most a quarter later."""
    wait_s = pause_s(Patience(100, 1e6), busy(str(seconds)), tries=tries, passed_s=0, chance=chance)

    assert wait_s is not None
    assert seconds <= wait_s <= 1.25 * seconds


@given(st.integers(1, 50), chances)
def test_without_it_pauses_double_up_to_a_limit(tries: int, chance: float) -> None:
    """Each between the half and the whole."""
    wait_s = pause_s(Patience(100, 1e6), busy(None), tries=tries, passed_s=0, chance=chance)

    longest_s = min(8.0, 0.25 * 2 ** (tries - 1))
    assert wait_s is not None
    assert longest_s / 2 <= wait_s <= longest_s


def test_patience_ends() -> None:
    """After so many tries, or where the next one would begin too late."""
    error = busy("3")

    assert pause_s(Patience(2, 100), error, tries=2, passed_s=0, chance=0) == 3
    assert pause_s(Patience(2, 100), error, tries=3, passed_s=0, chance=0) is None
    assert pause_s(Patience(2, 100), error, tries=1, passed_s=97, chance=0) == 3
    assert pause_s(Patience(2, 100), error, tries=1, passed_s=97.1, chance=0) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("Fri, 15 Jan 2027 08:00:09 GMT", 9),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    """What is neither is as if it were not there."""
    assert retry_after_s(value, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "body", "may_pass"),
    [
        (429, PROBLEM, True),
        (503, b"<html>the proxy is tired</html>", True),
        (502, b"", True),
        (500, PROBLEM.replace(b"queue-full", b"worker-lost"), True),
        (500, PROBLEM.replace(b"queue-full", b"unexpected"), False),
        (504, PROBLEM.replace(b"queue-full", b"deadline-passed"), False),
        (400, PROBLEM, False),
        (404, b'["no object"]', False),
        (599, b"\xff", False),
    ],
)
def test_only_what_may_pass_is_asked_again(status: int, body: bytes, *, may_pass: bool) -> None:
    """By the status, or by the kind of a problem; whoever wrote it."""
    error = problem_of(httpx.Response(status, content=body), NOW)

    assert error.may_pass == may_pass
    assert (error.status, str(status) in str(error)) == (status, True)


def test_a_busy_service_is_asked_again() -> None:
    """After the pause it asked for; with the same body, and the key each time."""
    script = Scripted((429, {"Retry-After": "1"}, PROBLEM), SOON, OK)
    with served(script) as service, Client(str(service.base_url), api_key="secret") as client:
        started = time.monotonic()
        answer = client.predict(b"a file")

    assert answer.label == "red"
    assert time.monotonic() - started >= 1
    assert [each["authorization"] for each in script.seen] == ["Bearer secret"] * 3
    assert [each["content-length"] for each in script.seen] == ["6"] * 3


@pytest.mark.anyio
async def test_the_asynchronous_client_asks_again() -> None:
    """Likewise."""
    script = Scripted(SOON, OK)
    with served(script) as service:
        async with AsyncClient(str(service.base_url)) as client:
            answer = await client.predict(b"a file")

    assert (answer.label, len(script.seen)) == ("red", 2)


@pytest.mark.parametrize("options", [{"max_retries": 2}, {"total_timeout": 5}])
def test_a_service_that_stays_busy_is_given_up(options: dict[str, Any]) -> None:
    """With the last problem, its request's number, and when to come again."""
    headers = {"Retry-After": "10"} if "total_timeout" in options else {}
    script = Scripted((429, headers, PROBLEM))
    with (
        served(script) as service,
        Client(str(service.base_url), **options) as client,
        pytest.raises(TryLaterError, match="the limit is 2 s") as caught,
    ):
        client.predict(b"a file")

    assert len(script.seen) == (3 if "max_retries" in options else 1)
    assert caught.value.request_id == "seven"
    assert caught.value.retry_after_s == (10 if headers else None)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, UnauthorizedError), (403, UnauthorizedError), (500, ServerError)]
)
def test_other_refusals_are_final(status: int, kind: type[Exception]) -> None:
    """One request, and the exception says of which kind it is."""
    script = Scripted((status, {}, b""))
    with (
        served(script) as service,
        Client(str(service.base_url)) as client,
        pytest.raises(kind),
    ):
        client.predict(b"a file")

    assert len(script.seen) == 1


def test_a_lost_connection_is_made_again() -> None:
    """A service that was restarted has closed it."""
    with hanging_up(times=2) as (url, came), Client(url) as client:
        assert client.predict(b"a file").label == "red"

    assert len(came) == 3


def test_nobody_there() -> None:
    """An error of ours that names what happened, after the retries."""
    with Client("http://127.0.0.1:9", max_retries=1) as client:
        with pytest.raises(UnreachableError, match="ConnectError"):
            client.predict(b"a file")
        with pytest.raises(UnreachableError):
            client.ready()


def test_a_silent_service_is_not_asked_twice() -> None:
    """Nobody knows whether it is at work."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, timeout=0.2) as client, pytest.raises(TimedOutError, match="ReadTimeout"):
            client.predict(b"a file")


def test_what_is_no_goodserve_is_noticed() -> None:
    """A 200 that does not have the answer's form."""
    script = Scripted((200, {}, b'{"hello": 1}'))
    with (
        served(script) as service,
        Client(str(service.base_url)) as client,
        pytest.raises(GoodserveError, match="no goodserve that this client knows"),
    ):
        client.predict(b"a file")
