"""OpenTelemetry traces of requests with images, sent to a collector by OTLP over HTTP.

Off by default: nothing of OpenTelemetry is imported then, and nothing is noted. A request's span
holds those of its parts: queue, batch, and in the batch decode and run. Requests that a client
traces already (`traceparent`) continue its trace, and are sampled as the client decided.
"""

import os
import socket
import time
from importlib.metadata import version
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import REQUEST_ID
from service.timeline import TIMELINE, Part, Timeline

_TIMEOUT_S = 5
_MOST_WAITING, _EVERY_MS = 4096, 2000
_OUR_FAULT = 500
_TRACED = ("/predict", "/explain", "/infer")


def is_traced(scope: Scope) -> bool:
    """Tell whether a request may hold images: of health and metrics nobody wants traces."""
    return bool(scope["method"] == "POST" and scope["path"].endswith(_TRACED))


class Tracing:
    """Makes spans of requests; a thread of its own sends them."""

    def __init__(self, endpoint: str, share: float) -> None:
        """Send to a collector.

        Args:
            endpoint: its URL, to which `/v1/traces` is added.
            share: of the requests that come without a trace, 0 to 1.
        """
        described = {
            "service.name": "goodserve",
            "service.version": version("goodserve"),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
        sampler = ParentBased(TraceIdRatioBased(share))
        self._provider = TracerProvider(sampler, Resource.create(described), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT_S)
        processor = BatchSpanProcessor(exporter, _MOST_WAITING, _EVERY_MS)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("goodserve", version("goodserve"))
        self._propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Send what waits; it blocks for some seconds where the collector is away."""
        self._provider.shutdown()

    async def traced(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have an application answer one request, and make its spans."""
        span = self._begin(scope) if is_traced(scope) else None
        if span is None or not span.is_recording():
            await app(scope, receive, send)
            return
        began_ns, timeline, status = time.time_ns(), Timeline(), 0
        token = TIMELINE.set(timeline)

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, send_noted)
        finally:
            TIMELINE.reset(token)
            self._end(span, scope, status, timeline, began_ns)

    def _begin(self, scope: Scope) -> Span:
        """Start a request's span, within the trace that the caller names."""
        names = ("traceparent", "tracestate")
        headers = ((name.decode("latin-1"), value) for name, value in scope["headers"])
        carrier = {name: value.decode("latin-1") for name, value in headers if name in names}
        parent = self._propagator.extract(carrier)
        return self._tracer.start_span(
            f"POST {scope['path']}" if scope["path"] in _TRACED else "POST",
            parent,
            SpanKind.SERVER,
        )

    def _end(
        self, span: Span, scope: Scope, status: int, timeline: Timeline, began_ns: int
    ) -> None:
        route = scope.get("route")
        path = getattr(route, "path", scope["path"] if route is None else "")
        # The route, not the path: a caller who makes names up makes no operations.
        span.update_name(f"POST {path}" if status != 404 else "POST")  # noqa: PLR2004
        span.set_attributes(
            {
                "http.request.method": "POST",
                "url.path": scope["path"],
                "goodserve.request_id": REQUEST_ID.get(),
                "goodserve.model": timeline.model,
            }
        )
        if status:  # there is none where the caller went away
            span.set_attribute("http.response.status_code", status)
        if status >= _OUR_FAULT:
            span.set_status(Status(StatusCode.ERROR))
        self._add_parts(span, timeline, began_ns)
        span.end()

    def _add_parts(self, request: Span, timeline: Timeline, began_ns: int) -> None:
        """Make a span for each part; those of a batch within it."""

        def at(seconds: float) -> int:
            return began_ns + int((seconds - timeline.began_s) * 1e9)

        spans: dict[str, Span] = {"": request}
        # A batch's own part is noted last, and what happened in it needs its span.
        for part in sorted(timeline.parts, key=_depth):
            within = set_span_in_context(spans.get(part.within, request))
            span = self._tracer.start_span(
                part.name, within, start_time=at(part.began_s), attributes=_described(part)
            )
            span.end(at(part.ended_s))
            spans[part.name] = span


def _depth(part: Part) -> tuple[bool, float]:
    return bool(part.within), part.began_s


def _described(part: Part) -> dict[str, Any]:
    return {"goodserve.images": part.images, "goodserve.requests": part.requests}
