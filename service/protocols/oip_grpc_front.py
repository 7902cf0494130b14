"""The layers before the gRPC methods, built once from the settings: ids, spans, the access log, as for HTTP.

A layer that is off does not exist, and costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from service.settings.settings import Settings
from service.wire.context import CURRENT, RequestContext, RequestIds, legal_id
from service.wire.observe import Tracer, log_request


class Reply(NamedTuple):
    """The answer of a method.

    Attributes:
        status: the equivalent status of HTTP.
        data: the message, if the status is 200.
        details: the fault, if the status is another.
    """

    status: int
    data: bytes = b""
    details: str = ""


# Its arguments are the route, the request's bytes and gRPC's context.
Handler = Callable[[str, bytes, Any], Awaitable[Reply]]


def build(handler: Handler, settings: Settings, tracer_provider: Any = None) -> Handler:
    """Put the layers that the settings ask for before a method.

    Args:
        handler: the method.
        settings: say which layers are on.
        tracer_provider: OpenTelemetry's tracer provider; used where ``tracing`` is set.
    """
    if settings.access_log:
        handler = Logged(handler)
    if settings.tracing:
        handler = Traced(handler, Tracer(tracer_provider))
    if settings.request_ids:
        with_context = settings.access_log or settings.tracing or settings.log_format == "json"
        handler = Identified(handler, with_context=with_context)
    return handler


class Identified:
    """Puts the ``x-request-id`` of the request's metadata, or a new one, into the answer's trailing metadata.

    Args:
        handler: the handler behind this layer.
        with_context: whether a log or a span needs the request's context.
    """

    def __init__(self, handler: Handler, *, with_context: bool) -> None:
        self._handler = handler
        self._ids = RequestIds()
        self._with_context = with_context

    async def __call__(self, route: str, data: bytes, context: Any) -> Reply:
        metadata = _metadata(context, ("x-request-id", "traceparent"))
        request_id = metadata.get("x-request-id", b"")
        if not legal_id(request_id):
            request_id = self._ids.next()
        if self._with_context:
            CURRENT.set(RequestContext(request_id, metadata.get("traceparent")))
        context.set_trailing_metadata((("x-request-id", request_id.decode()),))
        return await self._handler(route, data, context)


class Traced:
    """Makes one span for each call; its parent is the W3C trace context in the request's metadata."""

    def __init__(self, handler: Handler, tracer: Tracer) -> None:
        self._handler = handler
        self._tracer = tracer

    async def __call__(self, route: str, data: bytes, context: Any) -> Reply:
        carrier = {n: v.decode("latin-1") for n, v in _metadata(context, ("traceparent", "tracestate")).items()}
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
    """Writes one line of the access log for each call; the status is 499 where the client left before the answer."""

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


def _metadata(context: Any, names: Iterable[str]) -> dict[str, bytes]:
    """The entries of the metadata that have these names; the last entry of each name counts."""
    pairs = context.invocation_metadata() or ()
    return {name: value if isinstance(value, bytes) else value.encode() for name, value in pairs if name in names}
