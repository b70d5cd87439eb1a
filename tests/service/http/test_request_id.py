"""Every answer bears a number, which the log and problem details have too."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.logs import JsonLines
from service.settings import Settings
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeDecode, FakeSession, fake_repository
from tests.service.models import fake_app_on, served

PICTURE = encoded(coloured("red", 1))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve a fake model."""
    fake_repository(tmp_path, 1)
    with served(fake_app_on(tmp_path)) as client:
        yield client


def test_the_caller_s_number_comes_back(client: httpx.Client) -> None:
    """On every path, and in the body of a problem."""
    headers = {"X-Request-Id": "build-7/image:12"}

    good = client.post("/predict", content=PICTURE, headers=headers)
    bad = client.post("/predict", content=b"", headers=headers)
    other = client.get("/models", headers=headers)
    missing = client.get("/nothing", headers=headers)

    for answer in (good, bad, other, missing):
        assert answer.headers["x-request-id"] == "build-7/image:12"
    assert bad.json()["request_id"] == missing.json()["request_id"] == "build-7/image:12"


def test_a_number_is_made_where_none_is_given(client: httpx.Client) -> None:
    """Each request gets its own, on one connection too."""
    found = [client.post("/predict", content=PICTURE).headers["x-request-id"] for _ in range(20)]

    assert len(set(found)) == 20
    assert all(re.fullmatch("[0-9a-f]{16}", number) for number in found)


@pytest.mark.parametrize("given", ["a b", "", "x" * 129, '"}', "caf\u00e9"])
def test_a_number_that_could_break_a_line_is_not_taken(client: httpx.Client, given: str) -> None:
    """Another one is made instead."""
    answer = client.get("/health/live", headers={b"x-request-id": given.encode()})

    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_a_failure_is_logged_with_its_number(tmp_path: Path) -> None:
    """Who has the answer finds the traceback."""
    fake_repository(tmp_path, 1)
    settings = Settings(repository=tmp_path, device="cpu")
    decode = FakeDecode({PICTURE[0]: TypeError("a planted bug")})
    caught = io.StringIO()
    handler = logging.StreamHandler(caught)
    handler.setFormatter(JsonLines())
    logging.getLogger("goodserve").addHandler(handler)

    try:
        with served(create_app(settings, lambda _model, _threads: FakeSession(), decode)) as client:
            answer = client.post("/predict", content=PICTURE, headers={"X-Request-Id": "seven"})
    finally:
        logging.getLogger("goodserve").removeHandler(handler)

    assert answer.status_code == 500
    assert answer.json()["request_id"] == "seven"
    lines = [json.loads(line) for line in caught.getvalue().splitlines()]
    (failure,) = [line for line in lines if line.get("request_id") == "seven"]
    assert "a planted bug" in failure["exception"]
