"""The gRPC server: a call in, a request to the application, its answer or a status out."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import unquote

import grpc
import msgspec
from google.protobuf.message import Message
from starlette.types import ASGIApp

from service.errors import ServiceError
from service.grpc import inference_pb2 as pb
from service.grpc.ask import Asked, GoneError, Reply, ask
from service.grpc.translate import infer_body, infer_response, model_path

log = logging.getLogger("goodserve")

SERVICE = "inference.GRPCInferenceService"

Context = Any  # grpcio has no types: a grpc.aio.ServicerContext
Handler = Callable[[Any, "Call"], Awaitable[Message]]

_CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
# Of the answer's headers, what a caller gets as trailing metadata.
_TRAILING = ("x-request-id", "retry-after")
# Made here, and not what a caller says of itself.
_OWN = {"content-length", "content-type", "content-encoding", "inference-header-content-length"}
_LONGEST_S = 86_400.0
# Small messages, as most are, want many at once to fill a batch.
_LEAST_CALLS = 128


class Listening(NamedTuple):
    """Where a server listens, and what it takes.

    Attributes:
        address: host and port.
        max_message_bytes: of one call.
        max_calls: at once.
        max_bytes: of all their messages, as far as 128 calls of the largest size allow it.
        grace_s: seconds in which calls in flight may end.
        is_shared: whether other processes of this service listen on the same port.
        certificate: PEM with the chain; None: without TLS.
        key: PEM with the certificate's key.
    """

    address: str
    max_message_bytes: int
    max_calls: int
    max_bytes: int
    grace_s: float
    is_shared: bool = False
    certificate: Path | None = None
    key: Path | None = None

    @property
    def calls_at_once(self) -> int:
        """Say how many are taken: each is read whole before its key is looked at."""
        of_largest = self.max_bytes // self.max_message_bytes
        return min(self.max_calls, max(_LEAST_CALLS, of_largest))


class Call(NamedTuple):
    """One call: what it asks of the application, and how it ends."""

    app: ASGIApp
    context: Context

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Ask the application."""
        extra = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        given = [*_passed_on(self.context), *extra]
        client = _client(self.context.peer())
        reply = await ask(self.app, Asked(method, path, body, given, client))
        trailing = [(name, reply.headers[name]) for name in _TRAILING if name in reply.headers]
        self.context.set_trailing_metadata(tuple(trailing))
        return reply

    async def read(self, method: str, path: str, body: bytes = b"", *also: int) -> Any:  # noqa: ANN401  JSON
        """Ask, and decode the answer; statuses in `also` are answers too."""
        reply = await self.ask(method, path, body)
        if reply.status not in (HTTPStatus.OK, *also):
            await self.fail(reply)
        return msgspec.json.decode(reply.body)

    async def fail(self, reply: Reply) -> NoReturn:
        """End the call with the status that the answer has in gRPC."""
        code = _CODES.get(reply.status, grpc.StatusCode.INTERNAL)
        await self.context.abort(code, _reason(reply))
        raise AssertionError  # it raises


async def _server_live(_: pb.ServerLiveRequest, call: Call) -> pb.ServerLiveResponse:
    return pb.ServerLiveResponse(live=(await call.read("GET", "/v2/health/live"))["live"])


async def _server_ready(_: pb.ServerReadyRequest, call: Call) -> pb.ServerReadyResponse:
    found = await call.read("GET", "/v2/health/ready", b"", 503)
    return pb.ServerReadyResponse(ready=found["ready"])


async def _model_ready(request: pb.ModelReadyRequest, call: Call) -> pb.ModelReadyResponse:
    path = model_path(request.name, request.version, "/ready")
    found = await call.read("GET", path, b"", 503)
    return pb.ModelReadyResponse(ready=found.get("ready", False))


async def _server_metadata(_: pb.ServerMetadataRequest, call: Call) -> pb.ServerMetadataResponse:
    return pb.ServerMetadataResponse(**await call.read("GET", "/v2"))


async def _model_metadata(request: pb.ModelMetadataRequest, call: Call) -> pb.ModelMetadataResponse:
    found = await call.read("GET", model_path(request.name, request.version))
    return pb.ModelMetadataResponse(
        name=found["name"],
        versions=found["versions"],
        platform=found["platform"],
        inputs=[pb.TensorMetadata(**each) for each in found["inputs"]],
        outputs=[pb.TensorMetadata(**each) for each in found["outputs"]],
    )


async def _model_infer(request: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
    path = model_path(request.model_name, request.model_version, "/infer")
    json_bytes, data = infer_body(request)
    reply = await call.ask(
        "POST",
        path,
        data,
        inference_header_content_length=str(json_bytes),
        **_deadline(call.context),
    )
    if reply.status != HTTPStatus.OK:
        await call.fail(reply)
    return infer_response(int(reply.headers["inference-header-content-length"]), reply.body)


async def _repository_index(
    request: pb.RepositoryIndexRequest, call: Call
) -> pb.RepositoryIndexResponse:
    body = msgspec.json.encode({"ready": request.ready})
    found = await call.read("POST", "/v2/repository/index", body)
    return pb.RepositoryIndexResponse(models=[pb.ModelIndex(**each) for each in found])


async def _load(
    request: pb.RepositoryModelLoadRequest, call: Call
) -> pb.RepositoryModelLoadResponse:
    model_path(request.model_name, "1")
    await call.read("POST", f"/v2/repository/models/{request.model_name}/load")
    return pb.RepositoryModelLoadResponse()


async def _unload(
    request: pb.RepositoryModelUnloadRequest, call: Call
) -> pb.RepositoryModelUnloadResponse:
    model_path(request.model_name, "1")
    await call.read("POST", f"/v2/repository/models/{request.model_name}/unload")
    return pb.RepositoryModelUnloadResponse()


async def _statistics(request: pb.ModelStatisticsRequest, call: Call) -> pb.ModelStatisticsResponse:
    path = (
        model_path(request.name, request.version, "/stats") if request.name else "/v2/models/stats"
    )
    found = await call.read("GET", path)
    stats = [pb.ModelStatistics(**each) for each in found["model_stats"]]
    return pb.ModelStatisticsResponse(model_stats=stats)


METHODS: Mapping[str, tuple[type[Message], Handler]] = {
    "ServerLive": (pb.ServerLiveRequest, _server_live),
    "ServerReady": (pb.ServerReadyRequest, _server_ready),
    "ModelReady": (pb.ModelReadyRequest, _model_ready),
    "ServerMetadata": (pb.ServerMetadataRequest, _server_metadata),
    "ModelMetadata": (pb.ModelMetadataRequest, _model_metadata),
    "ModelInfer": (pb.ModelInferRequest, _model_infer),
    "ModelStatistics": (pb.ModelStatisticsRequest, _statistics),
    "RepositoryIndex": (pb.RepositoryIndexRequest, _repository_index),
    "RepositoryModelLoad": (pb.RepositoryModelLoadRequest, _load),
    "RepositoryModelUnload": (pb.RepositoryModelUnloadRequest, _unload),
}


@asynccontextmanager
async def listening(app: ASGIApp, where: Listening) -> AsyncIterator[Callable[[], object]]:
    """Answer calls by an application until the block ends, or what it gives is called; then drain.

    Where several processes listen on one port, the system hands connections to them by chance.

    Raises:
        RuntimeError: the port cannot be listened on.
    """
    server = grpc.aio.server(
        maximum_concurrent_rpcs=where.calls_at_once,
        options=[
            ("grpc.max_receive_message_length", where.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", int(where.is_shared)),
        ],
    )
    handlers = {name: _handler(app, *method) for name, method in METHODS.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if where.certificate is None or where.key is None:
        server.add_insecure_port(where.address)
    else:
        pair = where.key.read_bytes(), where.certificate.read_bytes()
        server.add_secure_port(where.address, grpc.ssl_server_credentials([pair]))
    await server.start()
    log.info("gRPC on %s", where.address)

    @cache
    def drain() -> asyncio.Task[None]:
        return asyncio.create_task(server.stop(where.grace_s))

    try:
        yield drain
    finally:
        await drain()


def _handler(app: ASGIApp, kind: type[Message], handle: Handler) -> Any:  # noqa: ANN401  grpc's
    async def answer(request: Message, context: Context) -> Message:
        try:
            return await handle(request, Call(app, context))
        except ServiceError as error:
            await context.abort(_CODES[error.status], error.detail)
        except grpc.aio.AbortError:
            raise
        except GoneError:  # the caller has cancelled, or its deadline has passed
            await context.abort(grpc.StatusCode.CANCELLED, "nobody waits for an answer")
        except Exception:  # a bug of ours
            log.exception("answering a call failed")
            detail = "the service failed unexpectedly; its log says why"
            await context.abort(grpc.StatusCode.INTERNAL, detail)
        raise AssertionError

    return grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=kind.FromString, response_serializer=_serialised
    )


def _serialised(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _passed_on(context: Context) -> list[tuple[bytes, bytes]]:
    """Give what callers say beside the message, such as a key or a request's id, as headers."""
    return [
        (name.encode(), value.strip(" \t").encode("latin-1", "replace"))
        for name, value in context.invocation_metadata() or ()
        if isinstance(value, str) and name not in _OWN and not name.startswith(("grpc-", ":"))
    ]


def _deadline(context: Context) -> dict[str, str]:
    """Say how long the caller waits, if it is known."""
    seconds = context.time_remaining()
    if seconds is None or seconds > _LONGEST_S:
        return {}
    return {"x_request_timeout_ms": str(max(0, math.ceil(seconds * 1000)))}


def _reason(reply: Reply) -> str:
    """Read why there is no answer: the protocol's words, or problem details."""
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(reply.body)
        if isinstance(found, dict):
            return str(found.get("error") or found.get("detail") or found)
    return HTTPStatus(reply.status).phrase


def _client(peer: str) -> tuple[str, int] | None:
    """Read the caller's address: `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000`."""
    _, _, address = unquote(peer).partition(":")
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None
