"""The access log and OpenTelemetry's spans: layers before the app where the settings ask for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import Any

from service.wire.context import CURRENT
from service.wire.http import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("bentoml.trueline.access")


class _Status:
    """Passes messages on and keeps the status. It is 499 until an answer starts: without one, the client has left."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 499

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        return self._send(message)


class AccessLog:
    """Logs one line for each answer; the record carries the line's parts as fields for a log collector.

    Args:
        app: the app behind this layer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        recorder, started = _Status(send), time.perf_counter()
        try:
            await self._app(scope, receive, recorder)
        finally:
            seconds = time.perf_counter() - started
            client = (scope.get("client") or ("-",))[0]
            log_request(scope["method"], scope["path"][:200], recorder.status, seconds, client)


def log_request(method: str, path: str, status: int, seconds: float, client: str) -> None:
    """Write one line of the access log."""
    fields = {"method": method, "path": path, "status": status, "seconds": round(seconds, 6), "client": client}
    logger.info("%s %r %d %.2f ms %s", method, path, status, seconds * 1e3, client, extra={"fields": fields})


class Tracer:
    """Makes spans of requests.

    Args:
        provider: OpenTelemetry's tracer provider; None for the process's own.
    """

    def __init__(self, provider: Any = None) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._kind = trace.SpanKind.SERVER
        self._error = trace.Status(trace.StatusCode.ERROR)
        self._tracer = trace.get_tracer("trueline", tracer_provider=provider)
        self._extract = TraceContextTextMapPropagator().extract

    def span(self, name: str, carrier: dict[str, str], attributes: dict[str, str]) -> AbstractContextManager[Any]:
        """A span that lasts as long as its block; its parent is the trace context in ``carrier``."""
        return self._tracer.start_as_current_span(name, self._extract(carrier), kind=self._kind, attributes=attributes)

    def end(self, span: Any, status: int) -> None:
        """Record in a span the HTTP status with which the request ended."""
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(self._error)


class Spans:
    """Makes one span for each request; its parent is the W3C trace context in the request's headers.

    Args:
        app: the app behind this layer.
        provider: OpenTelemetry's tracer provider; None for the process's own.
    """

    def __init__(self, app: ASGIApp, provider: Any = None) -> None:
        self._app = app
        self._tracer = Tracer(provider)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carrier = {n.decode(): v.decode("latin-1") for n, v in scope["headers"] if n in (b"traceparent", b"tracestate")}
        recorder, current = _Status(send), CURRENT.get()
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"][:200]}
        if current is not None and current.id:
            attributes["http.request.header.x-request-id"] = current.id.decode()
        with self._tracer.span(f"{scope['method']} request", carrier, attributes) as span:
            try:
                await self._app(scope, receive, recorder)
            finally:
                self._tracer.end(span, recorder.status)
