"""``POST /predict``: JSON rows or columns in, predictions out. Shapes: :mod:`service.requests`, ``responses``."""

from __future__ import annotations

from service.http import Receive, Reply, Scope, read_json_body
from service.worker import Worker


async def predict(worker: Worker, scope: Scope, receive: Receive) -> Reply:
    """Answer one request."""
    settings = worker.settings
    body = await read_json_body(scope, receive, limit=settings.max_body_bytes, seconds=settings.body_seconds)
    return Reply(await worker.predict(body))
