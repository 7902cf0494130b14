"""The Open Inference Protocol v2 over gRPC, on a port of its own; imported only where that port is set.

Messages are read in the handlers, not by gRPC: one that cannot be read is then the client's fault, and is not logged.
Counted like HTTP requests, the method's name as route and the status that HTTP has for the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from functools import partial
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.wrappers_pb2 import StringValue

from artifact.errors import DataError
from service.protocols import oip
from service.protocols import open_inference_pb2 as pb
from service.protocols.any_body import begun
from service.protocols.datatypes import fault
from service.protocols.health_grpc import HEALTH, HEALTH_REQUEST, Health
from service.protocols.oip_grpc_front import Handler, Reply, build
from service.protocols.oip_grpc_infer import Inference
from service.wire.errors import ApiError, Described, NotReadyError, UnauthorizedError
from service.wire.keys import ApiKeys
from service.worker import Worker

logger = logging.getLogger("bentoml.trueline")

SERVICE = "inference.GRPCInferenceService"
# Longer details than this do not fit the header that carries them.
_DETAILS = 1500
_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_READY = "/v2/health/ready"


class GrpcMethod(NamedTuple):
    """One method and all that is known of it.

    Attributes:
        service: its service's full name.
        name: its own.
        request: the message that it takes.
        handler: answers.
        open_with: the path of HTTP beside which it needs no key, where that path needs none. None: it needs one.
    """

    service: str
    name: str
    request: type[Message]
    handler: Callable[[Worker, Any], Awaitable[Message]]
    open_with: str | None = None

    @property
    def route(self) -> str:
        """Its whole name, as it stands on the wire and in the metrics."""
        return f"/{self.service}/{self.name}"


async def server_live(_worker: Worker, _request: pb.ServerLiveRequest) -> Message:
    return pb.ServerLiveResponse(live=True)


async def server_ready(worker: Worker, _request: pb.ServerReadyRequest) -> Message:
    return pb.ServerReadyResponse(ready=worker.is_ready())


async def server_metadata(_worker: Worker, _request: pb.ServerMetadataRequest) -> Message:
    return pb.ServerMetadataResponse(**oip.server_metadata())


async def model_ready(worker: Worker, request: pb.ModelReadyRequest) -> Message:
    try:
        oip.served(worker, request.name, request.version)
    except NotReadyError:
        return pb.ModelReadyResponse(ready=False)
    return pb.ModelReadyResponse(ready=worker.is_ready())


async def model_metadata(worker: Worker, request: pb.ModelMetadataRequest) -> Message:
    return pb.ModelMetadataResponse(**oip.model_metadata(oip.served(worker, request.name, request.version)))


async def model_infer(worker: Worker, request: pb.ModelInferRequest) -> Message:
    model = oip.served(worker, request.model_name, request.model_version)
    inference = Inference(model, request, max_rows=worker.settings.max_rows)
    asked, answer = await worker.answer(model, await begun(inference.read, request.ByteSize()))
    return inference.write(asked, answer)


METHODS = {
    method.name: method
    for method in (
        GrpcMethod(SERVICE, "ServerLive", pb.ServerLiveRequest, server_live, open_with="/v2/health/live"),
        GrpcMethod(SERVICE, "ServerReady", pb.ServerReadyRequest, server_ready, open_with=_READY),
        GrpcMethod(SERVICE, "ServerMetadata", pb.ServerMetadataRequest, server_metadata),
        GrpcMethod(SERVICE, "ModelReady", pb.ModelReadyRequest, model_ready),
        GrpcMethod(SERVICE, "ModelMetadata", pb.ModelMetadataRequest, model_metadata),
        GrpcMethod(SERVICE, "ModelInfer", pb.ModelInferRequest, model_infer),
    )
}


class GrpcServer:
    """The gRPC side of one worker.

    Args:
        worker: what answers.
        host: address to listen on.
        port: shared by all workers; the kernel gives each connection to one of them.
        open_paths: of HTTP, which need no key; methods that say the same need none either.
        tracer_provider: OpenTelemetry's; used where ``tracing`` is set. Defaults to the process's own.
    """

    def __init__(
        self, worker: Worker, *, host: str, port: int, open_paths: Collection[str], tracer_provider: Any = None
    ) -> None:
        self._worker = worker
        settings = worker.settings
        keys = settings.keys()
        self._keys = ApiKeys(keys) if keys else None
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        options = [
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", settings.max_body_bytes),
        ]
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=settings.max_requests)
        self._health = Health(SERVICE)
        check = GrpcMethod(HEALTH, "Check", StringValue, self._health.check, open_with=_READY)
        # Neither serializer nor deserializer: handlers take and give bytes.
        handlers = {}
        for method in (*METHODS.values(), check):
            answer = build(partial(self._answer, method, method.open_with in open_paths), settings, tracer_provider)
            handlers[method.route] = grpc.unary_unary_rpc_method_handler(partial(self._call, method.route, answer))
        watch = partial(self._watch, check.open_with in open_paths)
        handlers[f"/{HEALTH}/Watch"] = grpc.unary_stream_rpc_method_handler(watch)
        self._server.add_generic_rpc_handlers((_Methods(handlers),))

    async def start(self) -> None:
        """Listen.

        Raises:
            DataError: the port cannot be had.
        """
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise DataError(f"TRUELINE_GRPC_PORT: Expected a port to listen on. Received: {self._address}.") from error
        await self._server.start()
        logger.info("gRPC on %s", self._address)

    async def stop(self) -> None:
        """Take no more requests, and wait for those that are open."""
        self._health.end()
        await self._server.stop(self._worker.settings.deadline_seconds)

    async def _call(self, route: str, handler: Handler, data: bytes, context: Any) -> bytes:
        reply = await handler(route, data, context)
        if reply.status != 200:
            code = _CODES.get(reply.status, grpc.StatusCode.INVALID_ARGUMENT)
            await context.abort(code, reply.details[:_DETAILS])  # raises
        return reply.data

    async def _watch(self, is_open: bool, data: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            self._check_key(is_open, context)
            request = _read(StringValue, data)
        except ApiError as refused:
            await context.abort(_CODES.get(refused.status, grpc.StatusCode.INVALID_ARGUMENT), refused.message)  # raises
        async for status in self._health.watch(self._worker, request):
            yield status.SerializeToString()

    def _check_key(self, is_open: bool, context: Any) -> None:
        if self._keys is not None and not is_open and not self._keys.allow(_headers(context)):
            raise UnauthorizedError

    async def _answer(self, method: GrpcMethod, is_open: bool, route: str, data: bytes, context: Any) -> Reply:
        started, status = time.perf_counter(), 499  # where the client leaves first
        try:
            self._check_key(is_open, context)
            reply = await method.handler(self._worker, _read(method.request, data))
            answer = Reply(200, reply.SerializeToString())
            status = 200
        except ApiError as refused:
            error = refused.plain()
            answer, status = Reply(error.status, details=error.message), error.status
        except Exception:
            logger.exception("A request to %s failed", route)
            answer, status = Reply(500, details="The service failed on this request; its log says why."), 500
        finally:
            self._worker.count(route, status, time.perf_counter() - started)
        return answer


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handlers by the whole name of their method."""

    def __init__(self, handlers: dict[str, Any]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _headers(context: Any) -> list[tuple[bytes, bytes]]:
    pairs = context.invocation_metadata() or ()
    return [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in pairs]


def _read(kind: type[Message], data: bytes) -> Message:
    try:
        return kind.FromString(data)
    except DecodeError:
        name = HEALTH_REQUEST if kind is StringValue else kind.__name__
        raise fault(None, f"Expected a {name}.", Described(f"{len(data)} bytes")) from None
