"""The shapes of the OpenAPI document: the live model's row, requests, answers and errors as JSON Schema.

They say what JSON Schema can say. That all columns have one length, or that a moment is one that there was, it cannot.
"""

from __future__ import annotations

from typing import Any

from artifact.rows.absent import MISSING_COLUMNS
from service.live.model import LiveModel
from service.predict.explain import ON_ERROR
from service.protocols.formats import MISSING
from service.wire.errors import DETAILS_LIMIT

ENDS = ("value", "lower", "upper")
_NUMBER: dict[str, Any] = {"type": "number"}
_TEXT: dict[str, Any] = {"type": "string"}
_NOTHING = {"type": "null"}


def ref(name: str) -> dict[str, str]:
    """A pointer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def complete(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these properties and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def or_list_of_one(value: dict[str, Any]) -> dict[str, Any]:
    """A value, perhaps in a list of its own."""
    return {"anyOf": [value, array(value, minItems=1, maxItems=1)]}


def interval(model: LiveModel | None, *types: str) -> dict[str, Any]:
    """The level of the intervals: below what the model's calibration can promise, where it is known.

    Args:
        types: JSON's, of what may stand for one.
    """
    limit = {"exclusiveMaximum": 1} if model is None else {"maximum": model.predictor.calibration.max_level}
    return {
        "description": "Share of true values that the intervals should cover; left out, the model's own.",
        "type": list(types) if len(types) > 1 else types[0],
        "exclusiveMinimum": 0,
        **limit,
        "examples": [0.9] if model is None else [model.predictor.default_level],
    }


def missing_columns_parameter() -> dict[str, Any]:
    """The query parameter that lets a table come without a feature's column."""
    text = (
        "What becomes of a feature that has no column: refused, or where it may be missing answered so, with a warning."
    )
    schema = {"enum": list(MISSING_COLUMNS)}
    return {"name": MISSING, "in": "query", "required": False, "description": text, "schema": schema}


def schemas(model: LiveModel | None, max_rows: int) -> dict[str, Any]:
    """All of them by name; without a model, rows of any features."""
    return {**_requests(model, max_rows), **_answers(model), **_errors(), **_states()}


def _requests(model: LiveModel | None, max_rows: int) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "object"}
    instance = row
    columns: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}}
    if model is not None:
        row = model.predictor.schema.json_schema()
        row.pop("$schema")
        row["examples"] = [model.predictor.schema.example_row()]
        properties = {name: array(feature, minItems=1) for name, feature in row["properties"].items()}
        # Without ?missing_columns=impute; a row may leave more out than a table.
        columns = {**row, "title": "columns", "properties": properties, "required": list(properties)}
        wrapped = {name: or_list_of_one(feature) for name, feature in row["properties"].items()}
        instance = {**row, "title": "instance", "properties": wrapped}
        columns["examples"] = [{name: [value] for name, value in row["examples"][0].items()}]
    options = {
        "interval": interval(model, "number", "null"),
        "on_error": {
            "description": "Whether a row that breaks the schema refuses the request or is reported in its place.",
            "enum": [*ON_ERROR, None],
        },
    }

    def request(given: str, absent: str, schema: dict[str, Any]) -> dict[str, Any]:
        # A key with the value null counts as left out.
        return {
            "type": "object",
            "properties": {given: schema, absent: _NOTHING, **options},
            "required": [given],
            "additionalProperties": False,
        }

    rows = array(ref("Row"), minItems=1, maxItems=max_rows)
    return {
        "Row": row,
        "Instance": instance,
        "Columns": columns,
        "RowsRequest": request("rows", "columns", rows),
        "ColumnsRequest": request("columns", "rows", ref("Columns")),
        "Request": {"oneOf": [ref("RowsRequest"), ref("ColumnsRequest")]},
    }


def _answers(model: LiveModel | None) -> dict[str, Any]:
    names = () if model is None else model.predictor.schema.target_names
    several = len(names) > 1
    ends = dict.fromkeys(ENDS, _NUMBER)
    # Beside on_error=row a row that was not answered is null in each column.
    column = array({"type": ["number", "null"]})
    columns = dict.fromkeys(ENDS, column)
    prediction = {"targets": complete(**{name: complete(**ends) for name in names})} if several else ends
    predicted = {name: complete(**columns) for name in names} if several else columns
    if model is None:
        prediction, predicted = {}, {}
    version = {"model_name": _TEXT, "model_version": _TEXT}
    warning = {
        "field": _TEXT,
        "kind": {"type": "string", "examples": ["out_of_range", "rare", "unseen", "missing_column"]},
        "message": _TEXT,
    }
    row_number = {"type": "integer", "minimum": 0}
    closed = complete if model is not None else _open
    columns_answer = closed(
        **version,
        columns=closed(**predicted),
        warnings=array(complete(row=row_number, **warning)),
        errors=array(complete(row=row_number, error=ref("Fault"))),
    )
    columns_answer["required"] = [name for name in columns_answer["required"] if name != "errors"]
    return {
        "Warning": complete(**warning),
        "Prediction": closed(**prediction, warnings=array(ref("Warning"))),
        "Predictions": complete(**version, predictions=array({"anyOf": [ref("Prediction"), ref("Error")]}, minItems=1)),
        "PredictedColumns": columns_answer,
        "Answer": {"anyOf": [ref("Predictions"), ref("PredictedColumns")]},
    }


def _open(**properties: dict[str, Any]) -> dict[str, Any]:
    """As :func:`complete`, where there may be more."""
    return {**complete(**properties), "additionalProperties": True}


def _errors() -> dict[str, Any]:
    detail = complete(
        row={"description": "Counted from 0.", "type": ["integer", "null"]},
        field={"type": ["string", "null"]},
        message=_TEXT,
        received={"description": "What came, cut to 100 characters."},
    )
    fault = complete(code=_TEXT, message=_TEXT, details=array(detail, maxItems=DETAILS_LIMIT))
    return {"Fault": fault, "Error": complete(error=ref("Fault")), "PlainError": complete(error=_TEXT)}


def _states() -> dict[str, Any]:
    ready = {"const": True}
    named = {"model_name": _TEXT, "model_version": _TEXT}
    known = {"loaded_at": _TEXT, "targets": array({"type": "object"}), "aliases": {"type": "object"}}
    return {
        "Live": complete(live=ready),
        "Ready": complete(ready=ready, **named),
        "Schema": _open(**{"$schema": _TEXT, "properties": {"type": "object"}, "required": array(_TEXT)}),
        "Model": _open(**named, **known, metrics={"type": "object"}, lineage={"type": "object"}),
        "OpenApi": _open(openapi=_TEXT, info={"type": "object"}, paths={"type": "object"}),
    }
