"""The lean ASGI app: it answers Trueline's operations, passes BentoML's paths on, and answers other paths with 404.

Only the layers that Trueline's own settings ask for run before a prediction (:mod:`service.app.front`), and none of
BentoML's middlewares. BentoML's app keeps its life cycle and serves the paths that its clients and pages need
(``/schema.json``, the files of the docs page).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from artifact.errors import TruelineError
from service.app.operations import OPERATIONS, ROUTES
from service.protocols.operation import OTHER, Operation, open_paths
from service.wire.errors import ApiError, Headers, MethodError
from service.wire.http import (
    ASGIApp,
    ClientGoneError,
    Message,
    Receive,
    Reply,
    Scope,
    Send,
    StreamReply,
    refuse,
    send_stream,
    with_headers,
)
from service.worker import Worker

if TYPE_CHECKING:
    from service.protocols.oip_grpc import GrpcServer

logger = logging.getLogger("bentoml.trueline")


class App:
    """ASGI app of one worker.

    Args:
        worker: answers the requests.
        inner: BentoML's app, which gets the life cycle and its own paths.
        inner_paths: paths that ``inner`` answers unless this app has them too.
        inner_mounts: paths below which ``inner`` answers everything.
    """

    def __init__(
        self, worker: Worker, inner: ASGIApp, *, inner_paths: Iterable[str] = (), inner_mounts: Iterable[str] = ()
    ) -> None:
        self.worker = worker
        self._inner = inner
        self._fixed = ROUTES.fixed
        self._inner_paths = frozenset(inner_paths)
        self._inner_mounts = tuple(path + "/" for path in inner_mounts)
        self._grpc: GrpcServer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send, header: Headers = ()) -> None:
        """Answer one request over HTTP.

        Args:
            scope, receive, send: see the ASGI specification.
            header: headers to add to the answer. They are an argument because a wrapped ``send`` would cost every small
                request three calls.
        """
        started = time.perf_counter()
        path = scope["path"]
        operation = self._fixed[path] if path in self._fixed else self._with_parameters(scope)
        if operation is None:
            await self._elsewhere(started, scope, receive, with_headers(send, header))
            return
        try:
            if scope["method"] not in operation.methods:
                raise MethodError(scope["method"], operation.path, ", ".join(operation.methods))
            reply = await operation.handler(self.worker, scope, receive)
        except Exception as error:  # noqa: BLE001 - _failed tells the kinds apart
            await self._failed(operation.path, error, started, scope, receive, with_headers(send, header))
            return
        status = reply.status
        if type(reply) is Reply:
            headers = [
                (b"content-type", reply.content_type),
                (b"content-length", b"%d" % len(reply.body)),
                *reply.headers,
                *header,
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})
        elif isinstance(reply, StreamReply):
            try:
                await send_stream(with_headers(send, header), reply)
            except ClientGoneError:
                status = 499
        self.worker.count(operation.path, status, time.perf_counter() - started)

    def _with_parameters(self, scope: Scope) -> Operation | None:
        """The operation of a path with parameters, or None; the parameters' values go into the scope."""
        path = scope["path"]
        match = None if self._is_inner(path) else ROUTES.find(path)
        if match is None:
            return None
        operation, scope["path_params"] = match
        return operation

    def _is_inner(self, path: str) -> bool:
        return path in self._inner_paths or path.startswith(self._inner_mounts)

    async def _elsewhere(self, started: float, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a path that has no operation: the inner app answers its own paths, others get 404."""
        path = scope["path"]
        if self._is_inner(path):
            await self._inner(scope, receive, send)
        else:
            await self._refuse(OTHER, ROUTES.unknown(path), started, scope, receive, send)

    async def _failed(
        self, route: str, error: Exception, started: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if isinstance(error, ApiError):
            await self._refuse(route, error, started, scope, receive, send)
        elif isinstance(error, ClientGoneError):
            self.worker.count(route, 499, time.perf_counter() - started)
        else:
            logger.error("A request to %s failed", route, exc_info=error)
            message = "The service failed on this request; its log says why."
            await self._refuse(route, ApiError(message), started, scope, receive, send)

    async def _refuse(
        self, route: str, error: ApiError, started: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        settings = self.worker.settings
        error = ROUTES.adapted(scope["path"], error)
        self.worker.count(route, error.status, time.perf_counter() - started)
        await refuse(scope, receive, send, error, limit=settings.max_body_bytes, seconds=settings.linger_seconds)

    async def _start_grpc(self) -> None:
        settings = self.worker.settings
        if settings.grpc_port is not None:
            # Imported here: gRPC costs a worker 11 MB, and most workers do not use it.
            from service.protocols.oip_grpc import GrpcServer

            server = GrpcServer(
                self.worker,
                host=settings.grpc_host,
                port=settings.grpc_port,
                open_paths=open_paths(OPERATIONS, settings),
            )
            await server.start()
            self._grpc = server

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run BentoML's life cycle, and start and stop the worker inside it."""
        started = False

        async def starting(message: Message) -> None:
            nonlocal started
            if message["type"] == "lifespan.startup.complete":
                try:
                    await self.worker.start()
                    await self._start_grpc()
                    started = True
                except TruelineError as error:
                    # The server logs the message, and ends.
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
