"""What the service says about itself: ``/schema``, ``/model``, ``/docs`` and the OpenAPI document behind it."""

from __future__ import annotations

from typing import Any

import orjson

from artifact.errors import ArtifactError
from artifact.registry import ALIASES, Registry
from service.live import LiveModel

# The page's own parts come with BentoML; nothing is loaded from another host.
DOCS_PAGE = b"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>Trueline</title>
    <link rel="stylesheet" type="text/css" href="./static_content/swagger-ui.css">
    <link rel="stylesheet" type="text/css" href="./static_content/index.css">
    <link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png" sizes="32x32">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="./static_content/swagger-ui-bundle.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-initializer.js" charset="UTF-8"></script>
  </body>
</html>
"""

_JSON = "application/json"
_PREDICT_ERRORS = {
    "400": "The body is not what its media type says.",
    "406": "The answer is wanted in a format that there is not.",
    "413": "The body or the number of rows is too large.",
    "415": "The body is not of a supported media type.",
    "422": "Rows that break the schema; details list every fault, up to 100.",
    "429": "The queue is full; Retry-After says when to try again.",
    "503": "No model is live yet; the message says what to do.",
    "504": "The request waited too long in the queue.",
}


def schema_document(model: LiveModel) -> bytes:
    """``GET /schema``: JSON Schema of one row."""
    return orjson.dumps(model.predictor.schema.json_schema())


def model_document(model: LiveModel, registry: Registry) -> bytes:
    """``GET /model``: the live version, where it came from, how good it was, and the model's aliases."""
    manifest = model.predictor.manifest.model_dump(mode="json")
    aliases: dict[str, Any] = {}
    for name in ALIASES:
        try:
            alias = registry.alias(model.name, name)
        except ArtifactError:
            alias = None
        aliases[name] = None if alias is None else alias.model_dump(mode="json")
    targets = [target.model_dump(mode="json", exclude={"offset"}) for target in model.predictor.schema.targets]
    head = {"model_name": model.name, "model_version": model.version, "loaded_at": model.loaded_at}
    return orjson.dumps({**head, "targets": targets, "aliases": aliases, **manifest})


def openapi_document(model: LiveModel | None) -> bytes:
    """``/docs.json``: OpenAPI 3.1 with the live model's features; without one, the routes alone."""
    version = "no model is live" if model is None else f"{model.name}:{model.version}"
    error = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    predict = {
        "tags": ["prediction"],
        "operationId": "predict",
        "summary": "Predict rows",
        "description": "Rows or columns in, predictions with intervals out. A single row is a list of one.",
        "requestBody": {"required": True, "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Request"}}}},
        "responses": {
            "200": {
                "description": "One prediction a row.",
                "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Predictions"}}},
            },
            **{status: {"description": text, "content": error} for status, text in _PREDICT_ERRORS.items()},
        },
    }
    if model is not None:
        content = predict["requestBody"]["content"][_JSON]  # type: ignore[index]
        content["examples"] = _examples(model)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Trueline", "version": version, "description": _description(model)},
        "servers": [{"url": "."}],
        "tags": [{"name": "prediction"}, {"name": "model"}, {"name": "operation"}],
        "paths": {
            "/predict": {"post": predict},
            "/schema": _get("model", "JSON Schema of one row"),
            "/model": _get("model", "The live version, its lineage, metrics and aliases"),
            "/livez": _get("operation", "200 while the process runs"),
            "/readyz": _get("operation", "200 while a model is live, else 503"),
            "/healthz": _get("operation", "As /livez"),
            "/metrics": _get("operation", "Prometheus metrics of all workers", "text/plain"),
        },
        "components": {"schemas": _components(model)},
    }
    return orjson.dumps(document)


def _get(tag: str, summary: str, media_type: str = _JSON) -> dict[str, Any]:
    return {
        "get": {
            "tags": [tag],
            "summary": summary,
            "responses": {"200": {"description": "OK", "content": {media_type: {}}}},
        }
    }


def _description(model: LiveModel | None) -> str:
    if model is None:
        return "No model is live yet: GET /readyz says what to do."
    targets = ", ".join(f"'{t.name}'" + (f" in {t.unit}" if t.unit else "") for t in model.predictor.schema.targets)
    return f"Predicts {targets}. {model.predictor.manifest.verdict.sentence}"


def _examples(model: LiveModel) -> dict[str, Any]:
    row = model.predictor.schema.example_row()
    return {
        "rows": {"summary": "One row", "value": {"rows": [row]}},
        "columns": {"summary": "Columns", "value": {"columns": {name: [value] for name, value in row.items()}}},
        "interval": {"summary": "Another interval", "value": {"rows": [row], "interval": 0.8}},
    }


def _components(model: LiveModel | None) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "object"}
    features: dict[str, Any] = {}
    if model is not None:
        row = model.predictor.schema.json_schema()
        row.pop("$schema")
        row["examples"] = [model.predictor.schema.example_row()]
        features = row["properties"]
    columns = {name: {"type": "array", "items": feature} for name, feature in features.items()}
    detail = {
        "row": {"type": ["integer", "null"]},
        "field": {"type": ["string", "null"]},
        "message": {"type": "string"},
        "received": {},
    }
    error = {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object", "properties": detail}},
    }
    return {
        "Row": row,
        "Request": {
            "type": "object",
            "properties": {
                "rows": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}},
                "columns": {"type": "object", "properties": columns},
                "interval": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "examples": [0.9]},
                "on_error": {"type": "string", "enum": ["request", "row"], "default": "request"},
            },
        },
        "Predictions": _predictions(model),
        "Error": {"type": "object", "properties": {"error": {"type": "object", "properties": error}}},
    }


def _predictions(model: LiveModel | None) -> dict[str, Any]:
    ends: dict[str, Any] = {name: {"type": "number"} for name in ("value", "lower", "upper")}
    names = () if model is None else model.predictor.schema.target_names
    if len(names) > 1:
        targets = {name: {"type": "object", "properties": ends} for name in names}
        ends = {"targets": {"type": "object", "properties": targets}}
    warning = {name: {"type": "string"} for name in ("field", "kind", "message")}
    warnings = {"type": "array", "items": {"type": "object", "properties": warning}}
    return {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "predictions": {
                "type": "array",
                "items": {"type": "object", "properties": {**ends, "warnings": warnings}},
            },
        },
    }
