"""The shape of ``POST /predict`` for the OpenAPI document: its request and its answer."""

from __future__ import annotations

from typing import Any

from service.documents.schemas import interval, missing_columns_parameter, ref
from service.live.model import LiveModel
from service.predict.explain import ON_ERROR
from service.protocols import formats
from service.protocols.operation import Shape

_DESCRIPTION = """Rows or columns in, predictions with intervals out; a single row is a list of one.

`Content-Type` names the format of the body and `Accept` the format of the answer; without `Accept` both are the same. A
body may be compressed (`Content-Encoding: gzip` or `zstd`); a large answer is compressed where `Accept-Encoding` asks
for it. An NDJSON body with an NDJSON answer is answered line by line while the body comes."""
_FORMATS = {
    formats.CSV: "A header line with the features' names, then one line a row, in UTF-8; an empty field is missing.",
    formats.NDJSON: "One JSON object a line, each a row.",
    formats.ARROW: "An Arrow IPC stream with one column a feature.",
    formats.PARQUET: "A Parquet file with one column a feature.",
}


def shape(model: LiveModel | None) -> Shape:
    """The formats, parameters and headers of ``/predict``, with examples where a model is live."""
    content: dict[str, Any] = {formats.JSON: {"schema": ref("Request")}}
    if model is not None:
        content[formats.JSON]["examples"] = _examples(model)
    for media_type, text in _FORMATS.items():
        content[media_type] = {"schema": _opaque(media_type, text)}
    answers: dict[str, Any] = {formats.JSON: ref("Answer")}
    for media_type in _FORMATS:
        answers[media_type] = _opaque(media_type, "Columns value, lower, upper and warnings.")
    answers[formats.NDJSON]["description"] = "One JSON object a line, each a prediction or an error."
    name = {"description": "The model that answered, which JSON names in its body.", "schema": {"type": "string"}}
    return Shape(
        answers,
        headers={"x-model-name": name, "x-model-version": name},
        description=_DESCRIPTION,
        parameters=[
            _parameter(
                "interval",
                interval(model, "number"),
                "Share of true values that the intervals should cover. The key of a JSON body overrides it.",
            ),
            _parameter("on_error", {"enum": list(ON_ERROR)}, "As the key of a JSON body; NDJSON streams use row."),
            _parameter("extra", {"enum": ["refuse", "ignore"]}, "Whether columns that are no feature are refused."),
            missing_columns_parameter(),
        ],
        request=content,
    )


def _opaque(media_type: str, text: str) -> dict[str, Any]:
    """The schema of bytes, or of text whose content JSON Schema cannot describe."""
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
