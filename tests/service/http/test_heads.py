"""Header values: blanks, empty ones, numbers without end, compressed bodies."""

import gzip
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.http.v2.bodies import INFER, PIXELS, binary, pixel_input
from tests.service.models import fake_app_on, served

FILE = encoded(coloured("red", 1))
BODY, LENGTH = binary(pixel_input(), PIXELS.tobytes())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve the first of two fake versions."""
    root = tmp_path_factory.mktemp("heads")
    fake_repository(root, versions=2)
    with served(fake_app_on(root)) as client:
        yield client


def sent(client: httpx.Client, line: str, path: str = "/predict", body: bytes = FILE) -> str:
    """Send a request with one more header line, to the last blank; give the whole answer."""
    url = client.base_url
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
    )
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(f"{head}{line}\r\n\r\n".encode() + body)
        pieces = list(iter(lambda: connection.recv(65536), b""))
    return b"".join(pieces).decode("latin-1")


@pytest.mark.parametrize("value", ["2", " 2", "2 ", "\t2 \t"])
def test_blanks_around_a_value_are_not_of_it(client: httpx.Client, value: str) -> None:
    """As RFC 9110, 5.5, has it: before it and behind it."""
    answer = sent(client, f"X-Model-Version:{value}")

    assert answer.startswith("HTTP/1.1 200 ")
    assert '"version":"2"' in answer
    timeout = value.replace("2", "2000")
    assert sent(client, f"X-Request-Timeout-Ms:{timeout}").startswith("HTTP/1.1 200 ")
    assert f"x-request-id: {value.strip()}\r\n" in sent(client, f"X-Request-Id:{value}")
    number = LENGTH["Inference-Header-Content-Length"]
    line = f"Inference-Header-Content-Length:{value.replace('2', number)}"
    assert sent(client, line, INFER, BODY).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("name", ["X-Model-Version", "X-Request-Timeout-Ms", "X-Routing-Key"])
@pytest.mark.parametrize("value", ["", " ", "\t "])
def test_an_empty_value_says_nothing(client: httpx.Client, name: str, value: str) -> None:
    """A proxy may set a header to what its caller did not send."""
    answer = sent(client, f"{name}:{value}")

    assert answer.startswith("HTTP/1.1 200 ")
    assert '"version":"1"' in answer


@pytest.mark.parametrize("digits", [16, 400, 5000])
def test_a_number_without_end_is_refused(client: httpx.Client, digits: int) -> None:
    """It is the caller's fault, not ours."""
    number = "9" * digits

    timeout = sent(client, f"X-Request-Timeout-Ms: {number}")
    length = sent(client, f"Inference-Header-Content-Length: {number}", INFER, BODY)

    assert timeout.startswith("HTTP/1.1 422 ")
    assert "bad-timeout" in timeout
    assert length.startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/predict", "/explain", "/models/colours/predict"])
@pytest.mark.parametrize("encodings", [["gzip"], ["identity", "X-GZIP"], ["identity, br"]])
def test_a_compressed_body_is_told_so(
    client: httpx.Client, path: str, encodings: list[str]
) -> None:
    """It is not taken for a picture that is none."""
    headers = [("content-encoding", each) for each in encodings]

    response = client.post(path, content=gzip.compress(FILE), headers=headers)

    assert response.status_code == 415
    assert response.json()["type"] == "urn:goodserve:problem:unsupported-encoding"
    assert "send it without compression" in response.json()["detail"]
    plain = {"content-encoding": "Identity"}
    assert client.post("/predict", content=FILE, headers=plain).status_code == 200


@pytest.mark.parametrize("path", ["index", "models/colours/load", "models/colours/unload"])
def test_a_compressed_body_of_the_protocol_is_told_so(client: httpx.Client, path: str) -> None:
    """Of requests without images, too; there 400 stands for 415."""
    headers = {"content-encoding": "gzip"}

    response = client.post(f"/v2/repository/{path}", content=gzip.compress(b"{}"), headers=headers)

    assert response.status_code == 400
    assert "send it without compression" in response.json()["error"]
