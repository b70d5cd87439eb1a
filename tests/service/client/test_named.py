"""What a caller names is held against URLs and headers before anything is sent."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import AsyncClient, Client, NotFoundError
from tests.service.client.servers import ANSWER

FILE = b"an image"
LIMITS = b'{"serving": null, "versions": [], "limits": {"images": 8, "request_bytes": 1000000}}'
Call = Callable[..., None]
KEY = "gs_secret_0123456789"


class Wire:
    """What clients would have sent, answered as a service does."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sent: list[httpx.Request] = []

    def transport(self) -> httpx.MockTransport:
        """Give what carries requests here, with and without an event loop."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if request.url.path.endswith("/explain"):
            return httpx.Response(404)  # the shortest answer that there is
        return httpx.Response(200, content=LIMITS if request.method == "GET" else ANSWER)


@pytest.fixture
def wire() -> Wire:
    """Give a wire that leads nowhere."""
    return Wire()


def ask(wire: Wire, **options: Any) -> None:
    """Ask one thing, without an event loop."""
    with Client(transport=wire.transport()) as client:
        client.predict(FILE, **options)


def ask_in_a_loop(wire: Wire, **options: Any) -> None:
    """Ask the same within one."""

    async def asked() -> None:
        async with AsyncClient(transport=wire.transport()) as client:
            await client.predict(FILE, **options)

    asyncio.run(asked())


def ask_many(wire: Wire, **options: Any) -> None:
    """Ask about many images."""
    with Client(transport=wire.transport()) as client:
        list(client.predict_many([FILE], **options))


def ask_files(wire: Wire, **options: Any) -> None:
    """Ask about files."""
    with Client(transport=wire.transport()) as client:
        list(client.predict_files([Path(__file__)], **options))


def explain(wire: Wire, **options: Any) -> None:
    """Ask for an explanation."""
    with Client(transport=wire.transport()) as client:
        client.explain(FILE, **options)


def explain_many(wire: Wire, **options: Any) -> None:
    """Ask for many."""
    with Client(transport=wire.transport()) as client:
        list(client.explain_many([FILE], **options))


def draw(wire: Wire, **options: Any) -> None:
    """Ask for a picture."""
    with Client(transport=wire.transport()) as client:
        client.draw(FILE, **options)


CALLS: list[Call] = [
    ask,
    ask_in_a_loop,
    ask_many,
    ask_files,
    explain,
    explain_many,
    draw,
]


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def call(request: pytest.FixtureRequest) -> Call:
    """Give each way to ask."""
    way: Call = request.param
    return way


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (4, "/models/cifar10/versions/4"),
        ("4", "/models/cifar10/versions/4"),
        ("night", "/models/cifar10/labels/night"),
        (None, "/models/cifar10"),
    ],
)
def test_a_version_is_a_number_or_a_label(
    wire: Wire, call: Call, version: int | str | None, path: str
) -> None:
    """As a number or as text, of all calls."""
    with suppress(NotFoundError):
        call(wire, model="cifar10", version=version)

    assert wire.sent[-1].url.path.rpartition("/")[0] == path


@pytest.mark.parametrize("version", [4, "4", "night"])
def test_a_version_may_be_of_the_default_model(wire: Wire, call: Call, version: int | str) -> None:
    """Which the service knows by the header."""
    with suppress(NotFoundError):
        call(wire, version=version)

    assert wire.sent[-1].url.path in {"/predict", "/explain"}
    assert wire.sent[-1].headers["X-Model-Version"] == str(version)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "m", "version": True}, "a number or a label, not bool"),
        ({"model": "m", "version": 4.0}, "a number or a label, not float"),
        ({"version": True}, "a number or a label, not bool"),
        ({"model": 4}, "model is text, not int"),
    ],
)
def test_what_names_nothing_is_refused(
    wire: Wire, call: Call, options: dict[str, Any], message: str
) -> None:
    """By all calls, before anything is sent."""
    with pytest.raises(TypeError, match=message):
        call(wire, **options)

    assert wire.sent == []


@pytest.mark.parametrize("name", ["", ".", "..", "../admin", "cifar10/versions/4", "a/.."])
@pytest.mark.parametrize("of", ["model", "version", "label"])
def test_a_name_does_not_lead_to_another_path(wire: Wire, call: Call, name: str, of: str) -> None:
    """Where another model would answer; refused before anything is sent."""
    options = {
        "model": {"model": name},
        "version": {"version": name},
        "label": {"model": "cifar10", "version": name},
    }

    with pytest.raises(ValueError, match=f"{re.escape(repr(name))} names nothing"):
        call(wire, **options[of])

    assert wire.sent == []


@pytest.mark.parametrize("text", [KEY + "\n", f"  {KEY}\t", KEY + "\r\n"])
def test_blanks_around_a_key_are_no_part_of_it(wire: Wire, text: str) -> None:
    """Such as the line end of the file that it was read from."""
    with Client(api_key=text, transport=wire.transport()) as client:
        client.predict(FILE)

    assert wire.sent[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        (f"{KEY}\n{KEY}", "line ends"),
        (f"{KEY}\x00", "control characters"),
        (f"{KEY}é", "beyond ASCII"),
        (f"{KEY}\udcff", "characters that UTF-8 does not have"),
        (" \n", "is empty"),
    ],
)
def test_what_can_be_no_key_is_refused_without_it(
    make: type[Client] | type[AsyncClient], key: str, message: str
) -> None:
    """At once, and errors end up in logs: the key is not in the text."""
    with pytest.raises(ValueError, match=message) as refused:
        make(api_key=key)

    assert KEY not in repr(refused.value)
    assert "api_key" in str(refused.value)


def test_a_key_is_text(wire: Wire) -> None:
    """Bytes would be sent as `b'...'`."""
    with pytest.raises(TypeError, match="api_key is text, not bytes"):
        Client(api_key=KEY.encode(), transport=wire.transport())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("user\nX-Model-Version: 1", ValueError, "routing_key holds line ends"),
        ("user\udcff", ValueError, "routing_key holds characters"),
        (7, TypeError, "routing_key is text, not int"),
    ],
)
def test_what_can_be_no_routing_key_is_refused(
    wire: Wire, call: Call, key: Any, error: type[Exception], message: str
) -> None:
    """By all calls, before anything is sent."""
    with pytest.raises(error, match=message):
        call(wire, routing_key=key)

    assert wire.sent == []


def test_a_routing_key_may_be_any_text(wire: Wire) -> None:
    """Without the blanks around it, which HTTP does not count."""
    ask(wire, routing_key=" Zoë 7\n")

    assert (b"X-Routing-Key", "Zoë 7".encode()) in wire.sent[0].headers.raw
