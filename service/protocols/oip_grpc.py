"""The Open Inference Protocol v2 over gRPC, on a port of its own; imported only where that port is set.

The handlers parse the messages themselves. If gRPC did, an unreadable message would be logged as a fault of the
service, although it is the client's. Calls are counted like HTTP requests, with the method's name as route and the
equivalent status of HTTP.
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
from service.protocols.any_body import read_early
from service.protocols.datatypes import fault
from service.protocols.health_grpc import HEALTH, HEALTH_REQUEST, Health
from service.protocols.oip_grpc_front import Handler, Reply, build
from service.protocols.oip_grpc_infer import Inference
from service.wire.errors import ApiError, Described, NotReadyError, UnauthorizedError
from service.wire.keys import ApiKeys
from service.worker import Worker

logger = logging.getLogger("bentoml.trueline")

SERVICE = "inference.GRPCInferenceService"
# Most characters of an error's details: the header that carries them holds no more.
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
    """The record of one method.

    Attributes:
        service: full name of its service.
        name: name of the method.
        request: type of the message that it takes.
        handler: answers the call.
        open_with: path of HTTP with the same purpose; the method needs no key if that path needs none. None where the
            method always needs a key.
    """

    service: str
    name: str
    request: type[Message]
    handler: Callable[[Worker, Any], Awaitable[Message]]
    open_with: str | None = None

    @property
    def route(self) -> str:
        """Its full name on the wire and in the metrics."""
        return f"/{self.service}/{self.name}"


async def server_live(_worker: Worker, _request: pb.ServerLiveRequest) -> Message:
    return pb.ServerLiveResponse(live=True)


async def server_ready(worker: Worker, _request: pb.ServerReadyRequest) -> Message:
    return pb.ServerReadyResponse(ready=worker.is_ready())


async def server_metadata(_worker: Worker, _request: pb.ServerMetadataRequest) -> Message:
    return pb.ServerMetadataResponse(**oip.server_metadata())


async def model_ready(worker: Worker, request: pb.ModelReadyRequest) -> Message:
    try:
        oip.live_model(worker, request.name, request.version)
    except NotReadyError:
        return pb.ModelReadyResponse(ready=False)
    return pb.ModelReadyResponse(ready=worker.is_ready())


async def model_metadata(worker: Worker, request: pb.ModelMetadataRequest) -> Message:
    return pb.ModelMetadataResponse(**oip.model_metadata(oip.live_model(worker, request.name, request.version)))


async def model_infer(worker: Worker, request: pb.ModelInferRequest) -> Message:
    model = oip.live_model(worker, request.model_name, request.model_version)
    inference = Inference(model, request, max_rows=worker.settings.max_rows)
    predict_request, answer = await worker.answer(model, await read_early(inference.read, request.ByteSize()))
    return inference.write(predict_request, answer)


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
        worker: answers the calls.
        host: address to listen on.
        port: port that all workers share; the kernel gives each connection to one of them.
        open_paths: paths of HTTP that need no key; methods with the same purpose need none either.
        tracer_provider: OpenTelemetry's tracer provider; used where ``tracing`` is set. Defaults to the process's own.
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
        # Without serializer and deserializer, handlers take and return bytes.
        handlers = {}
        for method in (*METHODS.values(), check):
            answer = build(partial(self._answer, method, method.open_with in open_paths), settings, tracer_provider)
            handlers[method.route] = grpc.unary_unary_rpc_method_handler(partial(self._call, method.route, answer))
        watch = partial(self._watch, check.open_with in open_paths)
        handlers[f"/{HEALTH}/Watch"] = grpc.unary_stream_rpc_method_handler(watch)
        self._server.add_generic_rpc_handlers((_Methods(handlers),))

    async def start(self) -> None:
        """Listen on the port.

        Raises:
            DataError: the port cannot be used.
        """
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise DataError(f"TRUELINE_GRPC_PORT: Expected a port to listen on. Received: {self._address}.") from error
        await self._server.start()
        logger.info("gRPC on %s", self._address)

    async def stop(self) -> None:
        """Accept no more calls, and wait for those that are open."""
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
            request = read_message(StringValue, data)
        except ApiError as error:
            await context.abort(_CODES.get(error.status, grpc.StatusCode.INVALID_ARGUMENT), error.message)  # raises
        async for status in self._health.watch(self._worker, request):
            yield status.SerializeToString()

    def _check_key(self, is_open: bool, context: Any) -> None:
        if self._keys is not None and not is_open and not self._keys.allow(_headers(context)):
            raise UnauthorizedError

    async def _answer(self, method: GrpcMethod, is_open: bool, route: str, data: bytes, context: Any) -> Reply:
        started, status = time.perf_counter(), 499  # the status if the client leaves first
        try:
            self._check_key(is_open, context)
            reply = await method.handler(self._worker, read_message(method.request, data))
            answer = Reply(200, reply.SerializeToString())
            status = 200
        except ApiError as refusal:
            error = refusal.plain()
            answer, status = Reply(error.status, details=error.message), error.status
        except Exception:
            logger.exception("A request to %s failed", route)
            answer, status = Reply(500, details="The service failed on this request; its log says why."), 500
        finally:
            self._worker.count(route, status, time.perf_counter() - started)
        return answer


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds a handler by the full name of its method."""

    def __init__(self, handlers: dict[str, Any]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _headers(context: Any) -> list[tuple[bytes, bytes]]:
    pairs = context.invocation_metadata() or ()
    return [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in pairs]


def read_message(kind: type[Message], data: bytes) -> Message:
    try:
        return kind.FromString(data)
    except DecodeError:
        name = HEALTH_REQUEST if kind is StringValue else kind.__name__
        raise fault(None, f"Expected a {name}.", Described(f"{len(data)} bytes")) from None
