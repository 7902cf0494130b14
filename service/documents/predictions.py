"""What ``POST /predict`` takes and gives, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from service.documents.schemas import interval, missing_columns_parameter, ref
from service.live.model import LiveModel
from service.predict.explain import ON_ERROR
from service.protocols import formats
from service.protocols.operation import Shape

_DESCRIPTION = """Rows or columns in, predictions with intervals out; a single row is a list of one.

`Content-Type` names the format of the body and `Accept` that of the answer; without `Accept` it is the body's. A body
may be compressed (`Content-Encoding: gzip` or `zstd`), and a large answer is where `Accept-Encoding` asks for it.
NDJSON that is answered in NDJSON is answered line by line while the body comes."""
_FORMATS = {
    formats.CSV: "A header line with the features' names and a line a row, UTF-8; an empty field is missing.",
    formats.NDJSON: "A row as a JSON object a line.",
    formats.ARROW: "An Arrow IPC stream, a column a feature.",
    formats.PARQUET: "A Parquet file, a column a feature.",
}


def shape(model: LiveModel | None) -> Shape:
    """Its formats, parameters and headers, with examples where a model is live."""
    content: dict[str, Any] = {formats.JSON: {"schema": ref("Request")}}
    if model is not None:
        content[formats.JSON]["examples"] = _examples(model)
    for media_type, text in _FORMATS.items():
        content[media_type] = {"schema": _opaque(media_type, text)}
    answers: dict[str, Any] = {formats.JSON: ref("Answer")}
    for media_type in _FORMATS:
        answers[media_type] = _opaque(media_type, "Columns value, lower, upper and warnings.")
    answers[formats.NDJSON]["description"] = "A prediction or an error as a JSON object a line."
    name = {"description": "What answered; JSON says it in its body.", "schema": {"type": "string"}}
    return Shape(
        answers,
        headers={"x-model-name": name, "x-model-version": name},
        description=_DESCRIPTION,
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
        request=content,
    )


def _opaque(media_type: str, text: str) -> dict[str, Any]:
    """Bytes, or text that JSON Schema cannot look into."""
    if media_type in (formats.CSV, formats.NDJSON):
        return {"type": "string", "description": text}
    return {"description": text, "contentMediaType": media_type}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _examples(model: LiveModel) -> dict[str, Any]:
    row = model.predictor.schema.example_row()
    return {
        "rows": {"summary": "One row", "value": {"rows": [row]}},
        "columns": {"summary": "Columns", "value": {"columns": {name: [value] for name, value in row.items()}}},
        "interval": {"summary": "Another interval", "value": {"rows": [row], "interval": 0.8}},
    }
