"""What a server process tells of connections that speak TLS, or do not."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn

from service.http.body import Receive
from service.http.endpoint import Scope, Send
from service.processes.channel import CLOSED, READY, TAKEN, Channel
from service.processes.server import HandedServer


async def answer_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Begin and end; answer 200 without a body."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a file with a certificate for 127.0.0.1 and its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path), "-out", str(path.with_suffix(".crt"))),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def supervisors_end(certificate: Path) -> Iterator[socket.socket]:
    """Run a server that speaks TLS; give what its supervisor would hold."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    config = uvicorn.Config(answer_nothing, ssl_certfile=certificate, log_level="warning")
    server = HandedServer(config, Channel(theirs))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield ours
    server.should_exit = True
    thread.join()
    ours.close()
    theirs.close()


def handed(end: socket.socket) -> socket.socket:
    """Open a connection, and hand its other side to the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), timeout=60)
        theirs, _ = listener.accept()
    with theirs:
        socket.send_fds(end, [b"c"], [theirs.fileno()])
    return ours


def test_every_connection_is_counted_once(
    supervisors_end: socket.socket, certificate: Path
) -> None:
    """Answered, without TLS, or gone before a handshake: each is taken once and ends once."""
    context = ssl.create_default_context(cafile=certificate)
    said = b""
    for kind in ("tls", "plain", "gone", "tls"):
        with handed(supervisors_end) as connection:
            if kind == "plain":
                connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                with suppress(ConnectionResetError):
                    connection.recv(100)
            elif kind == "tls":
                with context.wrap_socket(connection, server_hostname="127.0.0.1") as secured:
                    secured.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                    assert secured.recv(100).startswith(b"HTTP/1.1 200 ")

    while said.count(CLOSED) < 4 or said.count(TAKEN) < 4:
        said += supervisors_end.recv(100)

    assert (said.count(READY), said.count(TAKEN), said.count(CLOSED)) == (1, 4, 4)
