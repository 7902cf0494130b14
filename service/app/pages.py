"""Handlers of Trueline's own operations, except ``/predict``: health, the live version, metrics and the docs page.

The handler of ``/docs.json`` is in :mod:`service.app.operations`, because it needs all operations.
"""

from __future__ import annotations

import asyncio

import orjson

from service.documents import documents
from service.wire.http import HTML, TEXT, Receive, Reply, Scope
from service.worker import Worker


async def live(_worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /livez``."""
    return Reply(b'{"live":true}')


async def ready(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /readyz``: 503 while a worker has no model, or while the service stops."""
    model = worker.check_ready()
    return Reply(orjson.dumps({"ready": True, "model_name": model.name, "model_version": model.version}))


async def schema(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /schema``."""
    return Reply(documents.schema_document(worker.deployment.route()))


async def example(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /example``: a body that ``POST /predict`` takes as it is."""
    row = worker.deployment.route().predictor.schema.example_row()
    return Reply(orjson.dumps({"rows": [row]}))


async def model(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /model``."""
    return Reply(await asyncio.to_thread(documents.model_document, worker.deployment.route(), worker.registry))


async def metrics(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /metrics``: 503 while the workers' files cannot be read."""
    return Reply(await worker.metrics_text(), content_type=TEXT)


async def page(_worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /docs``."""
    return Reply(documents.DOCS_PAGE, content_type=HTML)
