"""Servers are started, watched and stopped."""

import textwrap

import psutil
import pytest

from benchmarks.forms import Message
from benchmarks.servers import ServerError, Spec, running
from benchmarks.usage import cpu_s, idle_cpu_share, memory_bytes, tree, wait_until_idle
from benchmarks.watch import watching

PROBE = Message("/predict", "image/png", (b"anything",))

# Answers everything with 200; a child of its own makes it a tree, as workers do.
SERVER = textwrap.dedent(
    """
    import http.server, subprocess, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """
)
ANSWERING = Spec("fake", ("-c", SERVER, "{port}"))


def test_a_server_runs_for_as_long_as_the_block() -> None:
    """It has answered when the block begins; its children are gone, too, when that has ended."""
    with running(ANSWERING, PROBE) as server:
        processes = tree(server.pid)

    assert server.first_answer_s > 0
    assert len(processes) == 2
    psutil.wait_procs(processes, timeout=60)
    assert not any(process.is_running() for process in processes)


def test_what_a_server_that_fails_said_is_told() -> None:
    """The message names it and has the end of its output."""
    failing = Spec("broken", ("-c", "raise SystemExit('no model to be found')"))

    said = r"(?s)broken did not answer.*no model to be found"
    with pytest.raises(ServerError, match=said), running(failing, PROBE):
        pytest.fail("the block must not begin")


def test_the_whole_tree_is_measured() -> None:
    """CPU and memory of the first process and its child; an idle server is idle soon."""
    with running(ANSWERING, PROBE) as server:
        alone = psutil.Process(server.pid).memory_info().rss
        memory, cpu = memory_bytes(server.pid), cpu_s(server.pid)
        idle = wait_until_idle(server.pid, at_most_s=60)

    assert 0.5 * alone < memory < 3 * alone
    assert 0 < cpu < 10
    assert idle


def test_a_process_that_is_gone_has_nothing() -> None:
    """It may end between two looks."""
    with running(ANSWERING, PROBE) as server:
        pass

    assert (cpu_s(server.pid), memory_bytes(server.pid)) == (0, 0)


def test_a_watcher_sees_health_and_memory() -> None:
    """About ten looks a second, some of them with the memory."""
    with running(ANSWERING, PROBE) as server, watching(server.port, server.pid, 30) as watch:
        idle = idle_cpu_share(server.pid, 1.5)

    assert idle < 0.5
    assert 3 <= len(watch.looks) <= 20
    assert all(look.latency_s is not None for look in watch.looks)
    assert watch.looks[0].memory_bytes is not None
    assert watch.between(watch.looks[1].at_s, watch.looks[2].at_s) == [watch.looks[1]]
