"""Refuses requests without a valid API key where the settings name keys."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from service.app.operations import ROUTES
from service.protocols.operation import OTHER
from service.wire.errors import UnauthorizedError
from service.wire.http import ASGIApp, Receive, Scope, Send, refuse
from service.wire.keys import ApiKeys

if TYPE_CHECKING:
    from service.worker import Worker

# The files of the page /docs are open where the page is open; they come with BentoML and are the same everywhere.
_PAGE, _PARTS = "/docs", "/static_content/"


class RequireKey:
    """Lets a request through if it brings a valid key or asks for an open path.

    Args:
        app: the app behind this layer.
        worker: counts the refusals.
        keys: the valid keys.
        open_paths: paths that need no key.
    """

    def __init__(self, app: ASGIApp, worker: Worker, keys: ApiKeys, open_paths: Iterable[str]) -> None:
        self._app = app
        self._worker = worker
        self._keys = keys
        self._open_paths = frozenset(open_paths)
        self._page_is_open = _PAGE in self._open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_open(scope["path"]) or self._keys.allow(scope["headers"]):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        settings = self._worker.settings
        started = time.perf_counter()
        error = ROUTES.adapted(scope["path"], UnauthorizedError())
        await refuse(scope, receive, send, error, limit=settings.max_body_bytes, seconds=settings.linger_seconds)
        self._worker.count(OTHER, error.status, time.perf_counter() - started)

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or (self._page_is_open and path.startswith(_PARTS))
