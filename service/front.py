"""What stands before the app, put together once from the settings: nothing that is off is there.

From the outside in: request ids and the limit of open requests, spans, the access log, CORS, the API key, the app.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from service.auth import ApiKeys, RequireKey
from service.context import CURRENT, RequestContext, RequestIds, legal_id
from service.errors import OverloadedError
from service.http import ASGIApp, Message, Receive, Scope, Send, refuse
from service.observe import AccessLog, Spans
from service.settings import Settings

if TYPE_CHECKING:
    from service.worker import Worker


def build(app: ASGIApp, worker: Worker, tracer_provider: Any = None) -> ASGIApp:
    """The app behind what the settings ask for.

    Args:
        app: answers.
        worker: whose settings and metrics.
        tracer_provider: OpenTelemetry's; used where ``tracing`` is set.
    """
    settings = worker.settings
    keys = settings.keys()
    if keys:
        app = RequireKey(app, worker, ApiKeys(keys), Settings.listed(settings.open_paths))
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

    wrapped: ASGIApp = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("authorization", "content-type", "content-encoding", "traceparent", "x-api-key", "x-request-id"),
        expose_headers=("retry-after", "x-request-id"),
    )
    return wrapped


class Front:
    """Outermost: gives each request its context, and refuses what is too many at once.

    Args:
        app: what is behind.
        worker: whose settings and metrics.
    """

    def __init__(self, app: ASGIApp, worker: Worker) -> None:
        self._app = app
        self._worker = worker
        self._ids = RequestIds() if worker.settings.request_ids else None
        settings = worker.settings
        self._told = settings.access_log or settings.tracing or settings.log_format == "json"
        self._most = settings.max_requests
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._ids is not None:
            send = self._identified(self._ids, scope, send)
        if scope["method"] != "POST":  # health and metrics answer under any load
            await self._app(scope, receive, send)
            return
        if self._open >= self._most:
            await self._shed(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1

    def _identified(self, ids: RequestIds, scope: Scope, send: Send) -> Send:
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id")
        if request_id is None or not legal_id(request_id):
            request_id = ids.next()
        if self._told:
            CURRENT.set(RequestContext(request_id, headers.get(b"traceparent")))
        header = (b"x-request-id", request_id)

        def identified(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            return send(message)

        return identified

    async def _shed(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._worker.settings
        error = OverloadedError(
            f"Expected at most {self._most} open requests. Received: one more. Try again in a second."
        ).for_path(scope["path"])
        self._worker.metrics.shed()
        started = time.perf_counter()
        await refuse(scope, receive, send, error, limit=settings.max_body_bytes, seconds=settings.linger_seconds)
        self._worker.count("other", error.status, time.perf_counter() - started)
