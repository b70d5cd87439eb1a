"""Pages of other origins may ask only where a setting says so."""

import json
from pathlib import Path

import httpx
import pytest

from service.keys.file import add_key
from service.keys.key import KeyScope, make_key
from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.http.v2.bodies import INFER, JSON_LENGTH, PIXELS, binary, pixel_input
from tests.service.models import fake_app_on, served

PICTURE = encoded(coloured("red", 1))
PREFLIGHT = {
    "Origin": "https://shop.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


def ask(client: httpx.Client, origin: str) -> str | None:
    """Send a picture as a page would; say which origin may read the answer."""
    answer = client.post("/predict", content=PICTURE, headers={"Origin": origin})
    assert answer.status_code == 200
    found: str | None = answer.headers.get("access-control-allow-origin")
    return found


def test_by_default_no_page_may_ask(tmp_path: Path) -> None:
    """The browser is told nothing that would let it."""
    fake_repository(tmp_path, 1)

    with served(fake_app_on(tmp_path)) as client:
        assert ask(client, "https://shop.example") is None
        assert client.options("/predict", headers=PREFLIGHT).status_code == 405


def test_named_origins_may_ask(tmp_path: Path) -> None:
    """Those, and no other; the request's number may be read."""
    fake_repository(tmp_path, 1)
    origins = "https://shop.example, https://two.example"

    with served(fake_app_on(tmp_path, cors_origins=origins)) as client:
        assert ask(client, "https://shop.example") == "https://shop.example"
        assert ask(client, "https://two.example") == "https://two.example"
        assert ask(client, "https://evil.example") is None
        preflight = client.options("/predict", headers=PREFLIGHT)
        bad = client.post("/predict", content=b"", headers={"Origin": "https://shop.example"})

    assert preflight.status_code == 200
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert bad.status_code == 400
    assert bad.headers["access-control-allow-origin"] == "https://shop.example"
    assert "X-Request-Id" in bad.headers["access-control-expose-headers"]


def test_a_page_can_cut_a_binary_answer(tmp_path: Path) -> None:
    """It may read how long the JSON part is."""
    fake_repository(tmp_path, 1)
    origin = {"Origin": "https://shop.example"}
    parameters = {"binary_data_output": True}
    body, length = binary(pixel_input(), PIXELS.tobytes(), parameters=parameters)

    with served(fake_app_on(tmp_path, cors_origins=origin["Origin"])) as client:
        answer = client.post(INFER, content=body, headers=origin | length)

    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert json.loads(answer.content[: int(answer.headers[JSON_LENGTH])])["outputs"]
    assert JSON_LENGTH.lower() in exposed


@pytest.mark.parametrize("path", ["/predict", "/models/colours/predict", "/models"])
def test_an_asterisk_lets_all_ask(tmp_path: Path, path: str) -> None:
    """On every path."""
    fake_repository(tmp_path, 1)

    with served(fake_app_on(tmp_path, cors_origins="*")) as client:
        answer = client.request(
            "GET" if path == "/models" else "POST",
            path,
            content=None if path == "/models" else PICTURE,
            headers={"Origin": "https://any.example"},
        )

    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_page_of_a_named_origin_may_show_a_key(tmp_path: Path) -> None:
    """Its preflight needs none, and it can read why it was turned away."""
    repository = fake_repository(tmp_path / "models", 1)
    made = make_key("shop", [KeyScope.PREDICT])
    add_key(tmp_path / "keys.json", made.entry)
    origin = {"Origin": "https://shop.example"}
    asked = PREFLIGHT | {"Access-Control-Request-Headers": "authorization"}
    keys, origins = tmp_path / "keys.json", "https://shop.example"

    with served(fake_app_on(repository.root, keys_file=keys, cors_origins=origins)) as client:
        preflight = client.options("/predict", headers=asked)
        refused = client.post("/predict", content=PICTURE, headers=origin)
        shown = origin | {"Authorization": f"Bearer {made.text}"}
        answer = client.post("/predict", content=PICTURE, headers=shown)

    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert [refused.status_code, answer.status_code] == [401, 200]
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
