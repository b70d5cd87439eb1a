"""The service in a network of its own, without a way out: it serves, and tries to reach nobody."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from tests.e2e.server import ADDRESS
from tests.pictures import coloured, encoded

TOOLS = ("unshare", "nsenter", "ip", "strace")
# What strace writes of an address: of the internet, and where.
INTERNET = re.compile(r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|AF_INET6, )\"([^\"]+)\"")
ASKS = """
import sys, httpx
url, picture = sys.argv[1], open(sys.argv[2], "rb").read()
with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
    for path in ("/predict?explain=true", "/explain", "/models/cifar10/predict"):
        client.post(path, content=picture).raise_for_status()
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/models", "/health/ready", "/v2"):
        client.get(path).raise_for_status()
    print(client.post("/predict", content=picture).json()["model"]["name"])
"""
CALLS_OUT = """
import socket
for address in (("192.0.2.1", 443), ("127.0.0.1", 53)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        try:
            caller.connect(address)
        except OSError:
            pass
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
    reason=f"needs root and {', '.join(TOOLS)}",
)


def alone(log: Path, *command: str) -> list[str]:
    """Wrap a command: in an empty network with loopback alone, its connections written down."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    traced = ["strace", "-f", "--seccomp-bpf", "-e", calls, "-s", "0", "-o", str(log), *command]
    return ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *traced]


def called(log: Path, own: Sequence[int] = ()) -> set[tuple[str, int]]:
    """List whom a program tried to reach: all but its own ports on loopback."""
    found = {(host, int(port)) for port, host in INTERNET.findall(log.read_text())}
    return {(host, port) for host, port in found if port not in own or not is_loopback(host)}


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    return host.startswith("127.") or host == "::1"


def test_the_service_serves_without_a_network_and_calls_nobody(tmp_path: Path) -> None:
    """Start, answers, page, documents, a version's load and the end: no connection, no look-up."""
    repository, log, said = tmp_path / "models", tmp_path / "calls", tmp_path / "said"
    shutil.copytree(BUNDLED_REPOSITORY, repository)
    picture = tmp_path / "picture.png"
    picture.write_bytes(encoded(coloured("red", 1)))
    serve = [sys.executable, "-m", "service", "serve", "--port", "0", "--workers", "2"]
    # As a user would start it: without the variable that the tests set for onnxruntime.
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    with said.open("w") as stderr:
        process = subprocess.Popen(
            alone(log, *serve, "--repository", str(repository)), stderr=stderr, env=environment
        )
    try:
        url = _address(process, said)
        ask = ["nsenter", "--net", "-t", str(process.pid), sys.executable, "-c", ASKS]
        asked = subprocess.run([*ask, url, picture], capture_output=True, text=True, check=False)
        time.sleep(5)  # whoever calls home may take its time
        os.kill(_served_by(process.pid), signal.SIGTERM)
        status = process.wait(60)
    finally:
        process.kill()
        process.wait()

    assert asked.stdout == "cifar10\n", asked.stderr
    assert status == 0, said.read_text()
    assert "exited with 0" in log.read_text()
    assert called(log) == set()


def test_a_program_that_calls_out_is_seen(tmp_path: Path) -> None:
    """The watching works: another address, and a look-up even where a resolver is on loopback."""
    log = tmp_path / "calls"

    subprocess.run(alone(log, sys.executable, "-c", CALLS_OUT), check=True)

    assert called(log) == {("192.0.2.1", 443), ("127.0.0.1", 53)}


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    """Wait until it says where it listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        found = ADDRESS.search(said.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(said.read_text())


def _served_by(strace: int) -> int:
    """Find the supervisor under the tool that traces it."""
    return int(Path(f"/proc/{strace}/task/{strace}/children").read_text().split()[0])
