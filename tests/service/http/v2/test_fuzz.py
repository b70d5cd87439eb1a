"""Mutated requests: whatever comes, the answer is a 200 or says what the caller did wrong."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.fakes import fake_repository
from tests.service.http.v2.bodies import (
    FILES,
    INFER,
    JSON_LENGTH,
    PIXELS,
    binary,
    elements,
    file_input,
    pixel_input,
)
from tests.service.models import fake_app_on, served

SEEDS = [
    binary(pixel_input(), PIXELS.tobytes(), id="1"),
    binary(file_input(FILES), elements(FILES)),
    binary(
        pixel_input(PIXELS[:1]),
        PIXELS[:1].tobytes(),
        outputs=[{"name": "scores", "parameters": {"classification": 2, "binary_data": True}}],
        parameters={"binary_data_output": False, "timeout": 10**9},
    ),
]
# Most mutations go where the structure is; those of pixels change only the answer.
_PLACES = st.one_of(st.integers(0, 300), st.integers(0, 5000))
_EDITS = st.tuples(
    _PLACES,
    st.integers(0, 4),
    st.one_of(st.binary(max_size=4), st.sampled_from([b"-", b"9", b"[", b"e9"])),
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake session over real sockets."""
    root = tmp_path_factory.mktemp("fuzz")
    fake_repository(root)
    with served(fake_app_on(root)) as client:
        yield client


@settings(max_examples=400, derandomize=True)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(_EDITS, min_size=1, max_size=4),
    length=st.one_of(st.none(), st.integers(0, 6000), st.just(-1)),
)
def test_no_body_makes_the_service_fail(
    client: httpx.Client,
    seed: tuple[bytes, dict[str, str]],
    edits: list[tuple[int, int, bytes]],
    length: int | None,
) -> None:
    """Bytes replaced, removed or put in anywhere, and a JSON length of its own: never a 5xx."""
    body, headers = seed
    for place, removed, added in edits:
        body = body[:place] + added + body[place + removed :]
    if length is not None:
        headers = {JSON_LENGTH: str(length)} if length >= 0 else {}

    answer = client.post(INFER, content=body, headers=headers)

    assert answer.status_code in {200, 400, 413}, answer.text
    if answer.status_code != 200:
        assert list(answer.json()) == ["error"]
