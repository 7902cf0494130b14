"""``/docs.json``: what the service takes and gives, as OpenAPI 3.1 with the live model's own features."""

from __future__ import annotations

from typing import Any

import orjson

from service.documents.parts import JSON, Parts
from service.documents.protocols import protocol_paths
from service.documents.schemas import interval, missing_columns_parameter, ref, schemas
from service.live.model import LiveModel
from service.predict.explain import ON_ERROR
from service.protocols import formats
from service.settings.settings import Settings
from service.wire.http import TEXT

_PREDICT = """Rows or columns in, predictions with intervals out; a single row is a list of one.

`Content-Type` names the format of the body and `Accept` that of the answer; without `Accept` it is the body's. A body
may be compressed (`Content-Encoding: gzip` or `zstd`), and a large answer is where `Accept-Encoding` asks for it.
NDJSON that is answered in NDJSON is answered line by line while the body comes."""
_ERRORS = (400, 406, 408, 413, 415, 422, 429, 503, 504)
_FORMATS = {
    formats.CSV: "A header line with the features' names and a line a row, UTF-8; an empty field is missing.",
    formats.NDJSON: "A row as a JSON object a line.",
    formats.ARROW: "An Arrow IPC stream, a column a feature.",
    formats.PARQUET: "A Parquet file, a column a feature.",
}


def openapi_document(model: LiveModel | None, settings: Settings) -> bytes:
    """The document; without a live model, the routes and rows of any features."""
    keys = settings.keys()
    parts = Parts(with_ids=settings.request_ids, open_paths=Settings.listed(settings.open_paths) if keys else None)
    version = "no model is live" if model is None else f"{model.name}:{model.version}"
    description = f"{_description(model)}\n\nEvery GET may be asked as HEAD. What is no HTTP gets 400 as plain text."
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Trueline", "version": version, "description": description},
        "servers": [{"url": "."}],
        **parts.security(),
        "tags": [
            {"name": "prediction", "description": "Rows in, predictions out."},
            {"name": "model", "description": "The live model."},
            {"name": "operation", "description": "For probes and dashboards."},
            {"name": "Open Inference Protocol", "description": "For clients of Triton, KServe and MLServer."},
            {"name": "TensorFlow Serving", "description": "For clients of TensorFlow Serving."},
        ],
        "paths": {"/predict": {"post": _predict(model, parts)}, **_reads(parts), **protocol_paths(model, parts)},
        "components": {"schemas": schemas(model, settings.max_rows), **parts.components()},
    }
    return orjson.dumps(document)


def _predict(model: LiveModel | None, parts: Parts) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": ref("Request")}}
    if model is not None:
        content[JSON]["examples"] = _examples(model)
    for media_type, text in _FORMATS.items():
        content[media_type] = {"schema": _opaque(media_type, text)}
    answers: dict[str, Any] = {JSON: ref("Answer")}
    for media_type in _FORMATS:
        answers[media_type] = _opaque(media_type, "Columns value, lower, upper and warnings.")
    answers[formats.NDJSON]["description"] = "A prediction or an error as a JSON object a line."
    name = {"description": "What answered; JSON says it in its body.", "schema": {"type": "string"}}
    return parts.operation(
        "/predict",
        "prediction",
        "Predict rows",
        answers,
        _ERRORS,
        headers={"x-model-name": name, "x-model-version": name},
        operationId="predict",
        description=_PREDICT,
        parameters=[
            _parameter(
                "interval",
                interval(model, "number"),
                "Share of true values that the intervals should cover. A JSON body's own key comes before it.",
            ),
            _parameter("on_error", {"enum": list(ON_ERROR)}, "As the key of a JSON body; NDJSON streams have row."),
            _parameter("extra", {"enum": ["refuse", "ignore"]}, "What becomes of columns that are no feature."),
            missing_columns_parameter(),
        ],
        requestBody={"required": True, "content": content},
    )


def _reads(parts: Parts) -> dict[str, Any]:
    def get(path: str, tag: str, summary: str, schema: Any, *errors: int, media_type: str = JSON) -> dict[str, Any]:
        operation_id = path.strip("/").replace(".", "_")
        return {"get": parts.operation(path, tag, summary, {media_type: schema}, errors, operationId=operation_id)}

    text = {"type": "string"}
    return {
        "/schema": get("/schema", "model", "JSON Schema of one row", ref("Schema"), 503),
        "/model": get("/model", "model", "The live version, its lineage, metrics and aliases", ref("Model"), 503),
        "/livez": get("/livez", "operation", "200 while the process runs", ref("Live")),
        "/readyz": get("/readyz", "operation", "200 while every worker has a live model", ref("Ready"), 503),
        "/healthz": get("/healthz", "operation", "As /livez", ref("Live")),
        "/metrics": get("/metrics", "operation", "Prometheus metrics of all workers", text, media_type=TEXT.decode()),
        "/docs.json": get("/docs.json", "operation", "This document", ref("OpenApi")),
    }


def _opaque(media_type: str, text: str) -> dict[str, Any]:
    """Bytes, or text that JSON Schema cannot look into."""
    if media_type in (formats.CSV, formats.NDJSON):
        return {"type": "string", "description": text}
    return {"description": text, "contentMediaType": media_type}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


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
