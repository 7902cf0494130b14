"""``/docs.json``: the service's operations as OpenAPI 3.1, with the features of the live model."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from service.documents.parts import Parts
from service.documents.schemas import schemas
from service.live.model import LiveModel
from service.protocols.operation import Operation, open_paths
from service.settings.settings import Settings


def openapi_document(operations: Iterable[Operation], model: LiveModel | None, settings: Settings) -> bytes:
    """The OpenAPI document, as JSON.

    Args:
        operations: operations of the service; those without a shape are left out.
        model: the live version, whose features the schemas describe. None where no model is live: rows may then have
            any features.
        settings: say whether answers have ids, and which paths need a key.
    """
    described = [operation for operation in operations if operation.shape is not None]
    keys = settings.keys()
    parts = Parts(with_ids=settings.request_ids, open_paths=open_paths(described, settings) if keys else None)
    version = "no model is live" if model is None else f"{model.name}:{model.version}"
    rules = "Every GET also answers HEAD. A request that is not HTTP gets 400 as plain text."
    description = f"{_description(model)}\n\n{rules}"
    groups = dict.fromkeys(operation.group for operation in described)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Trueline", "version": version, "description": description},
        "servers": [{"url": "."}],
        **parts.security(),
        "tags": [{"name": group.name, "description": group.description} for group in groups],
        "paths": {operation.path: parts.path_item(operation, model) for operation in described},
        "components": {"schemas": schemas(model, settings.max_rows), **parts.components(described)},
    }
    return orjson.dumps(document)


def _description(model: LiveModel | None) -> str:
    if model is None:
        return "No model is live yet: GET /readyz says what to do."
    targets = ", ".join(f"'{t.name}'" + (f" in {t.unit}" if t.unit else "") for t in model.predictor.schema.targets)
    return f"Predicts {targets}. {model.predictor.manifest.verdict.sentence}"
