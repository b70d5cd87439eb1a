"""TLS by the service itself, and proxies in front of it."""

import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from service.__main__ import main
from service.keys.file import add_key
from service.keys.key import KeyScope, make_key
from tests.e2e.server import running
from tests.e2e.test_processes import PICTURE, tiny_repository

OPS = make_key("ops", [KeyScope.ADMIN])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_service_speaks_tls(
    tmp_path: Path, certificate: tuple[Path, Path], workers: str
) -> None:
    """One process or several, admin port included; who speaks none is cut off and disturbs none."""
    chain, key = certificate
    add_key(tmp_path / "keys.json", OPS.entry)
    flags = ["--ssl-certfile", str(chain), "--ssl-keyfile", str(key), "--workers", workers]
    flags += ["--admin-port", "0", "--keys-file", str(tmp_path / "keys.json")]
    context = ssl.create_default_context(cafile=chain)
    with running(tiny_repository(tmp_path), *flags) as server:
        url = httpx.URL(server.url)
        for _ in range(4):
            with socket.create_connection((url.host, url.port or 0), timeout=20) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                with suppress(ConnectionResetError):
                    assert not plain.recv(100).startswith(b"HTTP/1.1")
        with httpx.Client(verify=context, base_url=url) as client:
            statuses = [
                client.get("/health/live").status_code,
                client.post("/predict", content=PICTURE).status_code,
                client.post(
                    "/predict", content=PICTURE, headers={"X-API-Key": OPS.text}
                ).status_code,
            ]
        said = server.stop()

    assert url.scheme == "https"
    assert statuses == [200, 401, 403]
    assert "admin endpoints on https://" in server.said
    assert said == 0
    assert "Traceback" not in server.said


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("none.pem", "key.pem"), "none.pem or "),
        (("certificate.pem", "certificate.pem"), "both must be PEM, belong together"),
        (("certificate.pem", "locked.pem"), "both must be PEM, belong together and need no pass"),
    ],
)
def test_what_is_no_certificate_is_one_line(
    certificate: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    files: tuple[str, str],
    message: str,
) -> None:
    """Status 2 at once: missing, another file's, or locked by a password that nobody can type."""
    folder = certificate[0].parent
    subprocess.run(
        [
            *("openssl", "rsa", "-aes256", "-passout", "pass:secret"),
            *("-in", str(folder / "key.pem"), "-out", str(folder / "locked.pem")),
        ],
        check=True,
        capture_output=True,
    )
    chain, key = (str(folder / name) for name in files)

    assert main(["serve", "--ssl-certfile", chain, "--ssl-keyfile", key]) == 2

    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trusted", "client"),
    [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1")],
)
def test_only_a_trusted_proxy_says_who_asks(tmp_path: Path, trusted: str, client: str) -> None:
    """By default nobody is believed; the audit log has the address that was."""
    add_key(tmp_path / "keys.json", OPS.entry)
    flags = ["--workers", "1", "--keys-file", str(tmp_path / "keys.json")]
    with running(tiny_repository(tmp_path), *flags, "--forwarded-allow-ips", trusted) as server:
        headers = {"X-API-Key": OPS.text, "X-Forwarded-For": "203.0.113.7"}
        answer = httpx.post(f"{server.url}/admin/models/tiny/rollback", headers=headers)
        server.stop()

    assert answer.status_code == 404
    assert f"action=rollback of=tiny outcome=unknown-model client={client}" in server.said
