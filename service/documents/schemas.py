"""The schemas of the OpenAPI document: the live model's row, requests, answers and errors as JSON Schema.

JSON Schema cannot express every rule. For example, it cannot say that all columns have one length, or that a date
exists in the calendar.
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
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def complete(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these properties and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def or_list_of_one(value: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, or of a list that holds this one value."""
    return {"anyOf": [value, array(value, minItems=1, maxItems=1)]}


def interval(model: LiveModel | None, *types: str) -> dict[str, Any]:
    """The schema of the intervals' level; its maximum is the level up to which the live model is calibrated.

    Args:
        model: the live version, or None where no model is live.
        types: JSON types that the value may have.
    """
    limit = {"exclusiveMaximum": 1} if model is None else {"maximum": model.predictor.calibration.max_level}
    return {
        "description": "Share of true values that the intervals should cover. Defaults to the model's own level.",
        "type": list(types) if len(types) > 1 else types[0],
        "exclusiveMinimum": 0,
        **limit,
        "examples": [0.9] if model is None else [model.predictor.default_level],
    }


def missing_columns_parameter() -> dict[str, Any]:
    """The query parameter that says whether a table may lack a feature's column."""
    text = (
        "Whether a table may lack a feature's column. refuse answers with 422; impute takes the feature as missing, "
        "with a warning, if it may be missing."
    )
    schema = {"enum": list(MISSING_COLUMNS)}
    return {"name": MISSING, "in": "query", "required": False, "description": text, "schema": schema}


def schemas(model: LiveModel | None, max_rows: int) -> dict[str, Any]:
    """All schemas by name; without a model, rows may have any features."""
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
        # Every feature needs a column unless ?missing_columns=impute is sent. A row may leave out features that may be
        # missing.
        columns = {**row, "title": "columns", "properties": properties, "required": list(properties)}
        relaxed = {name: or_list_of_one(feature) for name, feature in row["properties"].items()}
        instance = {**row, "title": "instance", "properties": relaxed}
        columns["examples"] = [{name: [value] for name, value in row["examples"][0].items()}]
    options = {
        "interval": interval(model, "number", "null"),
        "on_error": {
            "description": "A row that breaks the schema: request refuses the whole request, row reports the fault in "
            "the row's place.",
            "enum": [*ON_ERROR, None],
        },
    }

    def request(key: str, absent: str, schema: dict[str, Any]) -> dict[str, Any]:
        # A key whose value is null counts as absent.
        return {
            "type": "object",
            "properties": {key: schema, absent: _NOTHING, **options},
            "required": [key],
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
    # With on_error=row, a row without an answer is null in each column.
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
    an_object = complete if model is not None else _open
    columns_answer = an_object(
        **version,
        columns=an_object(**predicted),
        warnings=array(complete(row=row_number, **warning)),
        errors=array(complete(row=row_number, error=ref("Fault"))),
    )
    columns_answer["required"] = [name for name in columns_answer["required"] if name != "errors"]
    return {
        "Warning": complete(**warning),
        "Prediction": an_object(**prediction, warnings=array(ref("Warning"))),
        "Predictions": complete(**version, predictions=array({"anyOf": [ref("Prediction"), ref("Error")]}, minItems=1)),
        "PredictedColumns": columns_answer,
        "Answer": {"anyOf": [ref("Predictions"), ref("PredictedColumns")]},
    }


def _open(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these properties and may have others."""
    return {**complete(**properties), "additionalProperties": True}


def _errors() -> dict[str, Any]:
    detail = complete(
        row={"description": "Counted from 0.", "type": ["integer", "null"]},
        field={"type": ["string", "null"]},
        message=_TEXT,
        received={"description": "The value that was received, cut to 100 characters."},
    )
    fault = complete(code=_TEXT, message=_TEXT, details=array(detail, maxItems=DETAILS_LIMIT))
    return {"Fault": fault, "Error": complete(error=ref("Fault")), "PlainError": complete(error=_TEXT)}


def _states() -> dict[str, Any]:
    ready = {"const": True}
    identity = {"model_name": _TEXT, "model_version": _TEXT}
    details = {"loaded_at": _TEXT, "targets": array({"type": "object"}), "aliases": {"type": "object"}}
    return {
        "Live": complete(live=ready),
        "Ready": complete(ready=ready, **identity),
        "Schema": _open(**{"$schema": _TEXT, "properties": {"type": "object"}, "required": array(_TEXT)}),
        "Model": _open(**identity, **details, metrics={"type": "object"}, lineage={"type": "object"}),
        "OpenApi": _open(openapi=_TEXT, info={"type": "object"}, paths={"type": "object"}),
    }
