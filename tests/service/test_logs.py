"""Log lines, for people and for programs."""

import json
import logging
from collections.abc import Iterator

import pytest

from service.logs import REQUEST_ID, configure_logging
from service.settings import Settings


@pytest.fixture(autouse=True)
def as_a_new_process() -> Iterator[None]:
    """Begin without the handlers that a server of another test left."""
    server = logging.getLogger("uvicorn")
    own, propagates = list(server.handlers), server.propagate
    server.handlers.clear()
    server.propagate = True
    yield
    server.handlers[:], server.propagate = own, propagates


def fail() -> None:
    """Raise something worth a traceback."""
    message = 'no "room"\nleft'
    raise OSError(message)


def test_json_lines_hold_request_and_exception(capsys: pytest.CaptureFixture[str]) -> None:
    """One object per record, whatever is in it."""
    configure_logging(Settings(log_format="json"))
    token = REQUEST_ID.set("seven")
    try:
        fail()
    except OSError:
        logging.getLogger("goodserve").exception("cannot %s", "store\nit")
    finally:
        REQUEST_ID.reset(token)
    logging.getLogger("uvicorn.error").info("started")

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["level"] == "error"
    assert first["logger"] == "goodserve"
    assert first["message"] == "cannot store\nit"
    assert first["request_id"] == "seven"
    assert first["exception"].endswith('OSError: no "room"\nleft')
    assert first["time"].endswith("+00:00")
    assert second["message"] == "started"
    assert "request_id" not in second


def test_text_lines_end_with_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Only where there is one."""
    configure_logging(Settings())
    token = REQUEST_ID.set("seven")
    logging.getLogger("goodserve").info("hello")
    REQUEST_ID.reset(token)
    logging.getLogger("goodserve").info("again")

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO goodserve: hello [seven]")
    assert second.endswith("INFO goodserve: again")


def test_debug_is_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries say what is wrong, and not what they do."""
    configure_logging(Settings(log_level="debug"))

    logging.getLogger("PIL.PngImagePlugin").debug("STREAM IHDR")
    logging.getLogger("goodserve").debug("ours")
    logging.getLogger("PIL").warning("truncated")

    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "ours",
        "truncated",
    ]
