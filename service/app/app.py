"""The lean ASGI app: Trueline's own routes; BentoML's where it has one; a 404 that lists them elsewhere.

None of BentoML's middlewares stands before a prediction; what Trueline's own settings ask for does, see
:mod:`service.app.front`. BentoML's app keeps its life cycle and serves what its clients and pages ask
for (``/schema.json``, the parts of the docs page).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from artifact.errors import TruelineError
from service.documents import documents, openapi
from service.protocols.paths import PATHS, Found, Route, find
from service.protocols.predict import PREDICT, predict, predict_plain
from service.wire.errors import ApiError, Headers, MethodError, NoRouteError
from service.wire.http import (
    HTML,
    TEXT,
    ASGIApp,
    ClientGoneError,
    Message,
    Receive,
    Reply,
    Scope,
    Send,
    StreamReply,
    refuse,
    send_reply,
    send_stream,
    with_headers,
)
from service.worker import Worker

if TYPE_CHECKING:
    from service.protocols.oip_grpc import GrpcServer

logger = logging.getLogger("bentoml.trueline")


async def _livez(_worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    return Reply(b'{"live":true}')


async def _readyz(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    model = worker.check_ready()
    return Reply(orjson.dumps({"ready": True, "model_name": model.name, "model_version": model.version}))


async def _schema(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    return Reply(documents.schema_document(worker.deployment.route()))


async def _model(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    return Reply(await asyncio.to_thread(documents.model_document, worker.deployment.route(), worker.registry))


async def _metrics(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    return Reply(await worker.metrics_text(), content_type=TEXT)


async def _docs(_worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    return Reply(documents.DOCS_PAGE, content_type=HTML)


async def _docs_json(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    return Reply(openapi.openapi_document(worker.deployment.champion, worker.settings))


ROUTES: dict[str, Route] = {
    PREDICT: Route(predict, ("POST",)),
    "/schema": Route(_schema),
    "/model": Route(_model),
    "/livez": Route(_livez),
    "/readyz": Route(_readyz),
    "/healthz": Route(_livez),
    "/metrics": Route(_metrics),
    "/docs": Route(_docs),
    "/docs.json": Route(_docs_json),
    "/": Route(_docs),
}


class App:
    """ASGI app of one worker.

    Args:
        worker: what answers.
        inner: the app that gets the life cycle and its own paths.
        inner_paths: paths that are ``inner``'s unless this app has them too.
        inner_mounts: paths below which everything is ``inner``'s.
    """

    def __init__(
        self, worker: Worker, inner: ASGIApp, *, inner_paths: Iterable[str] = (), inner_mounts: Iterable[str] = ()
    ) -> None:
        self.worker = worker
        self._inner = inner
        self._inner_paths = frozenset(inner_paths)
        self._inner_mounts = tuple(path + "/" for path in inner_mounts)
        self._grpc: GrpcServer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            route = ROUTES.get(path)
            if route is not None:
                await self._answer(path, route, scope, receive, send)
            elif path in self._inner_paths or path.startswith(self._inner_mounts):
                await self._inner(scope, receive, send)
            elif (found := find(path)) is not None:
                await self._model_path(path, found, scope, receive, send)
            else:
                await self._refuse("other", NoRouteError(path, ROUTES), time.perf_counter(), scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _model_path(self, path: str, found: Found, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by a protocol whose paths name a model."""
        if found.route is None:
            error = NoRouteError(path, PATHS)
            await self._refuse(found.template, error, time.perf_counter(), scope, receive, send)
        else:
            scope["path_params"] = found.parameters
            await self._answer(found.template, found.route, scope, receive, send)

    async def _answer(self, path: str, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            if scope["method"] not in route.methods:
                raise MethodError(scope["method"], path, ", ".join(route.methods))
            reply = await route.handler(self.worker, scope, receive)
        except Exception as error:  # noqa: BLE001 - told apart there
            await self._failed(path, error, started, scope, receive, send)
        else:
            await self._send(path, reply, started, send)

    async def quick(self, scope: Scope, receive: Receive, send: Send, header: Headers) -> None:
        """Answer a plain ``POST /predict``, see :func:`is_plain`; the same answer as by the long way, in half the time.

        Args:
            scope, receive, send: of ASGI.
            header: what is added to the answer's.
        """
        started = time.perf_counter()
        worker = self.worker
        try:
            reply = await predict_plain(worker, scope, receive)
        except Exception as error:  # noqa: BLE001 - told apart there
            send = with_headers(send, header)
            await self._failed(PREDICT, error, started, scope, receive, send)
            return
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
            *reply.headers,
            *header,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        worker.count(PREDICT, 200, time.perf_counter() - started)

    async def _failed(
        self, path: str, error: Exception, started: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if isinstance(error, ApiError):
            await self._refuse(path, error, started, scope, receive, send)
        elif isinstance(error, ClientGoneError):
            self.worker.count(path, 499, time.perf_counter() - started)
        else:
            logger.error("A request to %s failed", path, exc_info=error)
            message = "The service failed on this request; its log says why."
            await self._refuse(path, ApiError(message), started, scope, receive, send)

    async def _send(self, path: str, reply: Reply | StreamReply, started: float, send: Send) -> None:
        status = reply.status
        if isinstance(reply, Reply):
            await send_reply(send, reply)
        else:
            try:
                await send_stream(send, reply)
            except ClientGoneError:
                status = 499
        self.worker.count(path, status, time.perf_counter() - started)

    async def _refuse(
        self, route: str, error: ApiError, started: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        settings = self.worker.settings
        error = error.for_path(scope["path"])
        self.worker.count(route, error.status, time.perf_counter() - started)
        await refuse(scope, receive, send, error, limit=settings.max_body_bytes, seconds=settings.linger_seconds)

    async def _start_grpc(self) -> None:
        settings = self.worker.settings
        if settings.grpc_port is not None:
            # Imported here: gRPC costs a worker 11 MB, and most have no use for it.
            from service.protocols.oip_grpc import GrpcServer

            server = GrpcServer(self.worker, host=settings.grpc_host, port=settings.grpc_port)
            await server.start()
            self._grpc = server

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """BentoML's life cycle, with the worker's inside it."""
        started = False

        async def starting(message: Message) -> None:
            nonlocal started
            if message["type"] == "lifespan.startup.complete":
                try:
                    await self.worker.start()
                    await self._start_grpc()
                    started = True
                except TruelineError as error:
                    # The server logs the sentence, and ends.
                    message = {"type": "lifespan.startup.failed", "message": f"This worker cannot start. {error}"}
            await send(message)

        async def stopping() -> Message:
            nonlocal started
            message = await receive()
            if message["type"] == "lifespan.shutdown" and started:
                started = False
                if self._grpc is not None:
                    await self._grpc.stop()
                await self.worker.stop()
            return message

        await self._inner(scope, stopping, starting)
