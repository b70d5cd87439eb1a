"""Traces, received by a collector's endpoint that parses what OTLP sends."""

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import running
from tests.e2e.test_processes import tiny_repository
from tests.pictures import coloured, encoded

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is missing")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SMALL, LARGE = encoded(coloured("red", 1)), encoded(coloured("red", 1, (800, 600)))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector:
    """What came in: every span, with the resource that sent it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.paths: set[str] = set()
        self.url = ""

    def receive(self, path: str, body: bytes) -> None:
        """Parse one export."""
        self.paths.add(path)
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            described = {a.key: a.value.string_value for a in each.resource.attributes}
            self.resources.append(described)
            self.spans += [span for scope in each.scope_spans for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen for OTLP over HTTP for as long as the block lasts."""
    collector = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.receive(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def named(spans: list[Any], name: str) -> Any:
    """Give the span of that name; there is one."""
    (found,) = [span for span in spans if span.name == name]
    return found


def attributes(span: Any) -> dict[str, Any]:
    """Give what a span says beside its times."""
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def test_a_request_is_traced_from_its_caller_to_the_run(tmp_path: Path) -> None:
    """One trace, the caller's: request, queue and batch in it, decode and run in the batch."""
    with (
        collecting() as collector,
        running(tiny_repository(tmp_path), "--otlp-endpoint", collector.url) as server,
    ):
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine"}
        answer = httpx.post(f"{server.url}/predict", content=SMALL, headers=headers, timeout=30)
        httpx.get(f"{server.url}/health/ready")
        assert server.stop() == 0  # what waits is sent before the end
        spans = collector.spans

    assert answer.status_code == 200
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert sorted(span.name for span in spans) == [
        "POST /predict",
        "batch",
        "decode",
        "queue",
        "run",
    ]
    request, batch = named(spans, "POST /predict"), named(spans, "batch")
    assert request.parent_span_id.hex() == PARENT
    assert named(spans, "queue").parent_span_id == batch.parent_span_id == request.span_id
    decode, run = named(spans, "decode"), named(spans, "run")
    assert decode.parent_span_id == run.parent_span_id == batch.span_id
    assert (
        request.start_time_unix_nano
        < named(spans, "queue").end_time_unix_nano
        <= batch.start_time_unix_nano
        <= decode.end_time_unix_nano
        <= run.start_time_unix_nano
        < run.end_time_unix_nano
        <= batch.end_time_unix_nano
        <= request.end_time_unix_nano
    )
    assert abs(request.start_time_unix_nano / 1e9 - time.time()) < 120
    assert attributes(request) == {
        "http.request.method": "POST",
        "url.path": "/predict",
        "http.response.status_code": 200,
        "goodserve.request_id": "mine",
        "goodserve.model": "tiny/1",
    }
    assert attributes(batch)["goodserve.images"] == 1
    assert collector.paths == {"/v1/traces"}
    assert collector.resources[0]["service.name"] == "goodserve"


def test_what_is_traced_follows_caller_and_share(tmp_path: Path) -> None:
    """With a share of 0 only what a caller traces is; errors and large pictures are seen too."""
    with (
        collecting() as collector,
        running(
            tiny_repository(tmp_path),
            *("--otlp-endpoint", collector.url, "--otlp-share", "0", "--workers", "2"),
        ) as server,
    ):
        for flags, path, content in (
            ("00", "/predict", SMALL),
            ("", "/predict", SMALL),
            ("01", "/predict", LARGE),
            ("01", "/models/tiny/predict", b"no picture"),
            ("01", "/models/none/predict", SMALL),
        ):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"} if flags else {}
            httpx.post(f"{server.url}{path}", content=content, headers=headers, timeout=30)
        assert server.stop() == 0  # both processes send what waits before they end
        spans = collector.spans

    requests = {attributes(span)["url.path"]: span for span in spans if span.name[:4] == "POST"}
    large = requests["/predict"]
    of_large = [span for span in spans if span.parent_span_id == large.span_id]
    assert sorted(span.name for span in of_large) == ["batch", "decode", "queue", "queue"]
    assert requests["/models/tiny/predict"].name == "POST /models/{name}/predict"
    assert attributes(requests["/models/tiny/predict"])["http.response.status_code"] == 400
    assert requests["/models/none/predict"].name == "POST"
    assert len(requests) == 3


def test_a_collector_that_is_away_costs_no_answer(tmp_path: Path) -> None:
    """Requests are answered, and the service ends in time."""
    repository = tiny_repository(tmp_path)
    with running(repository, "--otlp-endpoint", "http://127.0.0.1:9") as server:
        statuses = {
            httpx.post(f"{server.url}/predict", content=SMALL, timeout=30).status_code
            for _ in range(20)
        }
        began = time.monotonic()
        assert server.stop() == 0

    assert statuses == {200}
    assert time.monotonic() - began < 20


def test_without_a_collector_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    """Neither SDK nor exporter; the interface alone may be, for others import it."""
    code = (
        "import sys; from service.app import create_app; from service.settings import Settings\n"
        f"create_app(Settings(repository='{tmp_path}', device='cpu'))\n"
        "print(*(m for m in ('opentelemetry.sdk', 'opentelemetry.exporter') if m in sys.modules))"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )

    assert found.stdout.strip() == ""
