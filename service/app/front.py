"""The layers before the app, built once from the settings; a layer that is off does not exist.

From the outside in: request ids and the limit of open requests, spans, the access log, CORS, the API key, the app.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from service.app.app import App
from service.app.auth import RequireKey
from service.app.operations import OPERATIONS, ROUTES
from service.protocols.operation import OTHER, open_paths
from service.settings.settings import Settings
from service.wire.context import CURRENT, RequestContext, RequestIds, legal_id
from service.wire.errors import Headers, OverloadedError
from service.wire.http import ASGIApp, Receive, Scope, Send, refuse, with_headers
from service.wire.keys import ApiKeys
from service.wire.observe import AccessLog, Spans

if TYPE_CHECKING:
    from service.worker import Worker


# Headers that a page of another origin may send besides those that every browser allows.
ALLOWED = (
    "authorization",
    "content-encoding",
    "content-type",
    "inference-header-content-length",
    "traceparent",
    "tracestate",
    "x-api-key",
    "x-request-id",
)
# Headers of an answer that a page of another origin may read besides the few that every browser shows.
EXPOSED = (
    "inference-header-content-length",
    "retry-after",
    "x-model-name",
    "x-model-version",
    "x-request-id",
    "x-trueline-warning-count",
    "x-trueline-warnings",
)


def build(app: ASGIApp, worker: Worker, tracer_provider: Any = None) -> ASGIApp:
    """Put the layers that the settings ask for before the app.

    Args:
        app: answers the requests.
        worker: gives the settings and the metrics.
        tracer_provider: OpenTelemetry's tracer provider; used where ``tracing`` is set.
    """
    settings = worker.settings
    keys = settings.keys()
    if keys:
        app = RequireKey(app, worker, ApiKeys(keys), open_paths(OPERATIONS, settings))
    origins = Settings.listed(settings.cors_origins)
    if origins:
        app = _cors(app, origins)
    if settings.access_log:
        app = AccessLog(app)
    if settings.tracing:
        app = Spans(app, tracer_provider)
    return Front(app, worker)


def _cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    from starlette.middleware.cors import CORSMiddleware

    layer: ASGIApp = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=ROUTES.methods,
        allow_headers=ALLOWED,
        expose_headers=EXPOSED,
    )
    return layer


async def _behind(app: ASGIApp, scope: Scope, receive: Receive, send: Send, header: Headers) -> None:
    await app(scope, receive, with_headers(send, header))


class Front:
    """The outermost layer: gives each request its context, and refuses requests beyond the limit of open ones.

    Args:
        app: the app behind this layer.
        worker: gives the settings and the metrics.
    """

    def __init__(self, app: ASGIApp, worker: Worker) -> None:
        self._app = app
        # The app takes headers as an argument. The layers in between do not: with them, a wrapped `send` adds the
        # headers.
        self._answer = app.answer if isinstance(app, App) else partial(_behind, app)
        self._worker = worker
        settings = worker.settings
        self._ids = RequestIds() if settings.request_ids else None
        self._needs_context = settings.access_log or settings.tracing or settings.log_format == "json"
        self._most = settings.max_requests
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = () if self._ids is None else ((b"x-request-id", self._identify(self._ids, scope["headers"])),)
        worker = self._worker
        worker.open_requests += 1
        try:
            if scope["method"] != "POST":  # health and metrics answer under any load
                await self._answer(scope, receive, send, header)
            elif self._open >= self._most:
                await self._shed(scope, receive, with_headers(send, header))
            else:
                self._open += 1
                try:
                    await self._answer(scope, receive, send, header)
                finally:
                    self._open -= 1
        finally:
            worker.open_requests -= 1

    def _identify(self, ids: RequestIds, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        request_id = traceparent = None
        for name, value in headers:
            if name == b"x-request-id":
                request_id = value
            elif name == b"traceparent":
                traceparent = value
        if request_id is None or not legal_id(request_id):
            request_id = ids.next()
        if self._needs_context:
            CURRENT.set(RequestContext(request_id, traceparent))
        return request_id

    async def _shed(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._worker.settings
        message = f"Expected at most {self._most} open requests. Received: one more. Try again in a second."
        error = ROUTES.adapted(scope["path"], OverloadedError(message))
        self._worker.metrics.shed()
        started = time.perf_counter()
        await refuse(scope, receive, send, error, limit=settings.max_body_bytes, seconds=settings.linger_seconds)
        self._worker.count(OTHER, error.status, time.perf_counter() - started)
