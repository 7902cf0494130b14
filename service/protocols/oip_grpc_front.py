"""What stands before the gRPC methods, put together once from the settings: ids, spans, the access log, as for HTTP.

Nothing that is off is there, and costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from service.settings.settings import Settings
from service.wire.context import CURRENT, RequestContext, RequestIds, legal_id
from service.wire.observe import Tracer, log_request


class Reply(NamedTuple):
    """What a method gives.

    Attributes:
        status: that HTTP has for the same.
        data: the message where the status is 200.
        details: what is wrong where it is another.
    """

    status: int
    data: bytes = b""
    details: str = ""


# The route, the request's bytes, gRPC's context.
Handler = Callable[[str, bytes, Any], Awaitable[Reply]]


def build(handler: Handler, settings: Settings, tracer_provider: Any = None) -> Handler:
    """A method behind what the settings ask for.

    Args:
        handler: answers.
        settings: which of them are on.
        tracer_provider: OpenTelemetry's; used where ``tracing`` is set.
    """
    if settings.access_log:
        handler = Logged(handler)
    if settings.tracing:
        handler = Traced(handler, Tracer(tracer_provider))
    if settings.request_ids:
        told = settings.access_log or settings.tracing or settings.log_format == "json"
        handler = Identified(handler, told=told)
    return handler


class Identified:
    """Answers with the ``x-request-id`` of the request's metadata, or with a new one, in the trailing metadata.

    Args:
        handler: what is behind.
        told: whether a log or a span asks for the request's context.
    """

    def __init__(self, handler: Handler, *, told: bool) -> None:
        self._handler = handler
        self._ids = RequestIds()
        self._told = told

    async def __call__(self, route: str, data: bytes, context: Any) -> Reply:
        found = _named(context, ("x-request-id", "traceparent"))
        request_id = found.get("x-request-id", b"")
        if not legal_id(request_id):
            request_id = self._ids.next()
        if self._told:
            CURRENT.set(RequestContext(request_id, found.get("traceparent")))
        context.set_trailing_metadata((("x-request-id", request_id.decode()),))
        return await self._handler(route, data, context)


class Traced:
    """One span a call, child of the W3C trace context in the request's metadata."""

    def __init__(self, handler: Handler, tracer: Tracer) -> None:
        self._handler = handler
        self._tracer = tracer

    async def __call__(self, route: str, data: bytes, context: Any) -> Reply:
        carrier = {n: v.decode("latin-1") for n, v in _named(context, ("traceparent", "tracestate")).items()}
        service, _, method = route[1:].partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        current, status = CURRENT.get(), 499
        if current is not None:
            attributes["rpc.grpc.request.metadata.x-request-id"] = current.id.decode()
        with self._tracer.span(route[1:], carrier, attributes) as span:
            try:
                reply = await self._handler(route, data, context)
                status = reply.status
            finally:
                self._tracer.end(span, status)
        return reply


class Logged:
    """One line of the access log a call; 499 where the client left before the answer."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, route: str, data: bytes, context: Any) -> Reply:
        started, status = time.perf_counter(), 499
        try:
            reply = await self._handler(route, data, context)
            status = reply.status
        finally:
            log_request("gRPC", route, status, time.perf_counter() - started, context.peer())
        return reply


def _named(context: Any, names: Iterable[str]) -> dict[str, bytes]:
    """Metadata of some names; of one that comes twice the last."""
    pairs = context.invocation_metadata() or ()
    return {name: value if isinstance(value, bytes) else value.encode() for name, value in pairs if name in names}
