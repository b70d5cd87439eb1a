"""What a caller accepts decides between numbers and a picture."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.artifact.repository import BUNDLED_REPOSITORY
from service.http.accept import preferred
from tests.pictures import coloured, encoded
from tests.service.models import app_on, served

JSON, PNG = "application/json", "image/png"
OFFERS = (JSON, PNG)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Serve the bundled model, which has evidence."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("image/png", PNG),
        ("IMAGE/PNG", PNG),
        ("image/*", PNG),
        (" image/png ;q=0.5", PNG),
        ("image/png, application/json", JSON),
        ("image/png;q=0.9, application/json;q=0.8", PNG),
        ("application/json, image/png;q=0.1", JSON),
        ("image/png;q=0, application/json", JSON),
        ("image/png;q=0, */*", JSON),
        ("application/json;q=0, */*;q=0.1", PNG),
        ("application/json;charset=utf-8, image/png;Q=0.9", JSON),
        ("image/*;q=0.2, application/*;q=0.1", PNG),
        ("image/*;q=0.9, image/png;q=0.1, application/json;q=0.5", JSON),
        ("image/avif,image/webp,image/svg+xml,image/*,*/*;q=0.8", PNG),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("image/png-foo", JSON),
        ("text/html", JSON),
        ('text/x;a=",image/png,"', JSON),
        ('text/x;a="b, image/png', PNG),
        ("image/png;q=2, image/png;q=x, image/png;q=nan", JSON),
        (",,;,q=1,", JSON),
    ],
)
def test_the_type_that_is_liked_best_is_chosen(accept: str, chosen: str) -> None:
    """By weight, then by which range is closest; JSON where both are as welcome, or neither."""
    assert preferred(accept, OFFERS) == chosen


@given(st.text(alphabet='aimgepnjson/*;q=.,01" \\'))
def test_every_header_can_be_read(accept: str) -> None:
    """Whatever a caller writes, one of the offers is chosen."""
    assert preferred(accept, OFFERS) in OFFERS


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["image/png;q=0, application/json"], JSON),
        (["application/json, image/png;q=0.1"], JSON),
        (["image/png-foo"], JSON),
        (["IMAGE/PNG"], PNG),
        (["image/*"], PNG),
        (["image/png", "application/json;q=0.5"], PNG),
        (["application/json;q=0.5", "image/png;q=0.1"], JSON),
    ],
)
def test_explanations_come_as_they_are_wanted(
    client: httpx.Client, lines: list[str], kind: str
) -> None:
    """Several header lines are one list."""
    headers = [("Accept", line) for line in lines]

    answer = client.post("/explain", content=encoded(coloured("red", 1)), headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
