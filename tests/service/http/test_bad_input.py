"""Every bad input gets a clear 4xx, as a table; every good one is seen as a person sees it."""

import base64
import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

RED = coloured("red", seed=999)
PNG = encoded(RED)
JPEG = encoded(RED, "JPEG", quality=95)
WEBP = encoded(RED, "WEBP", lossless=True)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve with small limits: a fake session, real sockets."""
    root = tmp_path_factory.mktemp("bad-input")
    fake_repository(root)
    limits: dict[str, Any] = {
        "max_request_bytes": 200_000,
        "max_image_bytes": 100_000,
        "max_image_pixels": 10_000,
        "max_request_pixels": 20_000,
        "max_images_per_request": 3,
    }
    with served(fake_app_on(root, **limits)) as client:
        yield client


def huge_png(width: int, height: int) -> bytes:
    """Write a PNG whose header promises pixels that are not there."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def b64(data: bytes) -> str:
    """Encode as a JSON caller does."""
    return base64.b64encode(data).decode()


RAW = [
    (b"", 400, "empty-body", "the body is empty"),
    (b"hello, I am a text file called cat.png", 400, "not-an-image", "are not an image"),
    (b"\0" * 50, 400, "not-an-image", "are not an image"),
    (PNG[:-200], 400, "damaged-image", "truncated or damaged"),
    (PNG[:20], 400, "damaged-image", "truncated or damaged"),
    (JPEG[: len(JPEG) // 2], 400, "damaged-image", "truncated or damaged"),
    (JPEG[:3], 400, "damaged-image", "truncated or damaged"),
    (WEBP[: len(WEBP) // 2], 400, "damaged-image", "truncated or damaged"),
    (encoded(RED, "GIF"), 415, "unsupported-format", "the image is GIF"),
    (encoded(RED, "BMP"), 415, "unsupported-format", "the image is BMP"),
    (encoded(RED, "TIFF"), 415, "unsupported-format", "the image is TIFF"),
    (encoded(RED, "AVIF"), 415, "unsupported-format", "the image is AVIF"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported-format", "is SVG"),
    (PNG + b"\0" * 100_000, 413, "too-many-bytes", "the limit is 100000"),
    (b"\0" * 200_001, 413, "body-too-large", "the limit is 200000"),
    (encoded(Image.new("RGB", (101, 100))), 413, "too-many-pixels", "101 x 100 = 10100 pixels"),
    (huge_png(60_000, 60_000), 413, "too-many-pixels", "3600000000 pixels"),
    (huge_png(90, 90), 400, "damaged-image", "truncated or damaged"),
]


@pytest.mark.parametrize(("body", "fault"), [(body, fault) for body, *fault in RAW])
@pytest.mark.parametrize("way", ["raw", "multipart"])
def test_a_bad_image_is_told_so_raw_or_as_a_part(
    client: httpx.Client, way: str, body: bytes, fault: tuple[int, str, str]
) -> None:
    """Status, kind and message fit the fault, however the image came."""
    status, kind, message = fault
    if way == "raw":
        response = client.post("/predict", content=body, headers={"content-type": "image/png"})
    else:
        response = client.post("/predict", files={"image": ("cat.png", body, "image/png")})
        kind = {"empty-body": "empty-image"}.get(kind, kind)
        message = {"the body is empty": "the image is empty"}.get(message, message)

    assert_problem(response, status, kind, message)


JSON = [
    (b"{", 400, "malformed-json", "not JSON"),
    (b"\xff\xfe", 400, "malformed-json", "not JSON"),
    (b'{"images": ["\xff"]}', 400, "malformed-json", "not JSON"),
    (b"[" * 100_000, 422, "bad-field", "Expected `object`, got `array`"),
    (b"[]", 422, "bad-field", "Expected `object`, got `array`"),
    (b"{}", 422, "bad-field", "missing required field `images`"),
    (b'{"images": "x"}', 422, "bad-field", "Expected `array`, got `str` - at `$.images`"),
    (b'{"images": [5]}', 422, "bad-field", "Expected `str`, got `int` - at `$.images[0]`"),
    (b'{"images": []}', 400, "no-image", "holds no image"),
    (b'{"images": ["???"]}', 400, "malformed-base64", "image 1 is not base64"),
    (b'{"images": ["\\u20ac"]}', 400, "malformed-base64", "image 1 is not base64"),
    (b'{"images": [""]}', 400, "empty-image", "the image is empty"),
    (b'{"images": [], "surprise": 1}', 422, "bad-field", "unknown field `surprise`"),
    (b'{"images": [], "top_k": 0}', 422, "bad-field", "Expected `int` >= 1 - at `$.top_k`"),
    (
        b'{"images": [], "top_k": "x"}',
        422,
        "bad-field",
        "Expected `int | null`, got `str` - at `$.top_k`",
    ),
    (
        json.dumps({"images": [b64(PNG), b64(b"text")]}).encode(),
        400,
        "not-an-image",
        "image 2 of 2: the bytes are not an image",
    ),
    (json.dumps({"images": [b64(PNG)] * 4}).encode(), 413, "too-many-images", "the limit is 3"),
]


@pytest.mark.parametrize(("body", "status", "kind", "message"), JSON)
def test_a_bad_json_body_is_told_so(
    client: httpx.Client, body: bytes, status: int, kind: str, message: str
) -> None:
    """Malformed JSON and base64, missing and unknown fields, and which image is bad."""
    headers = {"content-type": "application/json"}

    assert_problem(client.post("/predict", content=body, headers=headers), status, kind, message)


def part(name: str = "image", filename: str | None = "a.png", body: bytes = PNG) -> bytes:
    """Write one part of a multipart body."""
    file = f'; filename="{filename}"' if filename else ""
    return (
        f'--b\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        + body
        + b"\r\n"
    )


def scan_bomb(scans: int) -> bytes:
    """Write a progressive JPEG that repeats one of its scans."""
    start = (whole := encoded(RED, "JPEG", progressive=True)).rindex(b"\xff\xda")
    return whole[:start] + whole[start:-2] * scans + whole[-2:]


END = b"--b--\r\n"
MULTIPART = [
    (b"no parts at all", "; boundary=b", 400, "malformed-multipart"),
    (part() + END, "", 400, "malformed-multipart"),
    (part() + part(), "; boundary=b", 400, "malformed-multipart"),
    (END, "; boundary=b", 400, "no-image"),
    (part("top_k", None, b"3") + END, "; boundary=b", 400, "no-image"),
    (part() + part("top_k", None, b"none") + END, "; boundary=b", 422, "bad-option"),
    (part() + part("explain", None, b"perhaps") + END, "; boundary=b", 422, "bad-option"),
    (part() + part("colour", None, b"red") + END, "; boundary=b", 422, "unknown-field"),
    (part() * 4 + END, "; boundary=b", 413, "too-many-images"),
    (part(body=b"x") * 1000 + END, "; boundary=b", 413, "too-many-images"),
    (part("top_k", None, b"3") * 1000 + part() + END, "; boundary=b", 400, "malformed-multipart"),
]


@pytest.mark.parametrize(("body", "boundary", "status", "kind"), MULTIPART)
def test_a_bad_multipart_body_is_told_so(
    client: httpx.Client, body: bytes, boundary: str, status: int, kind: str
) -> None:
    """No boundary, no image, bad options, unknown fields, too many images."""
    headers = {"content-type": f"multipart/form-data{boundary}"}

    assert_problem(client.post("/predict", content=body, headers=headers), status, kind, "")


def test_a_jpeg_is_not_decoded_over_and_over(client: httpx.Client) -> None:
    """A few bytes per scan would cost seconds; a picture of a hundred scans is none."""
    assert client.post("/predict", content=scan_bomb(3)).status_code == 200

    assert_problem(client.post("/predict", content=scan_bomb(101)), 400, "damaged-image", "scans")


def test_images_of_one_request_may_have_so_many_pixels(client: httpx.Client) -> None:
    """Each within its limit, together beyond theirs: the third one is named."""
    square = encoded(Image.new("RGB", (90, 90)))
    files = [("image", ("a.png", square))] * 3

    response = client.post("/predict", files=files)

    assert_problem(response, 413, "too-many-pixels", "image 3 of 3: the images so far have 24300")


@pytest.mark.parametrize(
    "body",
    [
        b'{"images": [' + b"1," * 90_000 + b"1]}",
        b"{" + b",".join(b'"%d": 1' % n for n in range(15_000)) + b"}",
        b'{"images": [' + b'"",' * 60_000 + b'""]}',
    ],
)
def test_a_body_full_of_faults_costs_little_to_refuse(client: httpx.Client, body: bytes) -> None:
    """The answer is short and comes at once, however many fields are wrong."""
    started = time.perf_counter()

    response = client.post("/predict", content=body, headers={"content-type": "application/json"})

    assert response.status_code in (413, 422)
    assert len(response.content) < 1000
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("top_k=0", "top_k"),
        ("top_k=x", "top_k"),
        ("explain=x", "explain"),
        ("topk=3", "topk: Extra"),
    ],
)
def test_a_bad_option_in_the_query_is_named(client: httpx.Client, query: str, message: str) -> None:
    """Options are checked wherever they stand."""
    assert_problem(client.post(f"/predict?{query}", content=PNG), 422, "bad-option", message)


def test_a_body_of_another_type_is_not_read(client: httpx.Client) -> None:
    """HTML is neither an image nor a form."""
    response = client.post("/predict", content=b"<p>", headers={"content-type": "text/html"})

    assert_problem(response, 415, "unsupported-body", "cannot read text/html")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/x", 404)]
)
def test_the_frameworks_errors_are_problems_too(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    """Wrong paths and methods are answered in the same format."""
    response = client.request(method, path)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_bad_requests_do_not_stop_good_ones(client: httpx.Client) -> None:
    """After all of the above the service still answers."""
    assert client.post("/predict", content=PNG).json()["predictions"][0]["label"] == "red"


def assert_problem(response: httpx.Response, status: int, kind: str, message: str) -> None:
    """Hold a response against RFC 9457 and the expected fault."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"urn:goodserve:problem:{kind}"), (
        problem
    )
    assert problem["status"] == status
    assert message in problem["detail"]


def test_a_long_folder_of_paths_is_not_told(client: httpx.Client) -> None:
    """An error's text gives nothing of the machine away."""
    detail = client.post("/predict", content=PNG[:-200]).json()["detail"]

    assert str(Path.cwd()) not in detail
    assert "Traceback" not in detail


def test_a_huge_body_of_unknown_keys_stalls_nobody(tmp_path: Path) -> None:
    """Of 28 MB the first unknown key is enough: others are answered meanwhile."""
    fake_repository(tmp_path)
    body = b"{" + b",".join(b'"key%d": 1' % n for n in range(1_900_000)) + b"}"
    headers = {"content-type": "application/json"}
    assert len(body) > 28_000_000

    with served(fake_app_on(tmp_path)) as client:
        # Of this process, which is client and server: others may keep the cores meanwhile.
        started = time.process_time()
        client.post("/predict", content=b"x" * len(body), headers=headers)
        transport_s = time.process_time() - started
        started = time.process_time()
        response = client.post("/predict", content=body, headers=headers)
        taken_s = time.process_time() - started

    assert_problem(response, 422, "bad-field", "unknown field `key0`")
    # Reading all of it takes some twenty times as long as only taking it in.
    assert taken_s < 4 * transport_s + 0.5
