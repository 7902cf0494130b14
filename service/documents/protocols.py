"""The shapes of the operations of the Open Inference Protocol and of TensorFlow Serving, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from artifact.rows.absent import MISSING_COLUMNS
from service.documents.schemas import array, complete, interval, missing_columns_parameter, or_list_of_one, ref
from service.live.model import LiveModel
from service.protocols.datatypes import ALL
from service.protocols.formats import JSON, MISSING
from service.protocols.oip_http import BINARY
from service.protocols.operation import Shape
from service.protocols.tensors import MATRIX, described_inputs, output_names
from service.protocols.tf_serving import SIGNATURE, WARNING_COUNT, WARNINGS

_LENGTH = "Inference-Header-Content-Length"
_TEXT: dict[str, Any] = {"type": "string"}
_NUMBERS = array({"type": "number"})
_BYTES: dict[str, Any] = {"type": "string", "format": "binary", "description": f"In the layout that {_LENGTH} says."}
_ANY: dict[str, Any] = {"type": "object"}
# An element may be of several types, so its schema has a description and no type. It cannot be left out: generators of
# clients skip an operation if an array has no schema for its elements.
_ELEMENT: dict[str, Any] = {"description": "A number, true, false, a string or null; or a list of them."}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1}
_INSTANCE = (
    "An object as in POST /predict, or a list of values in the order of GET /schema; each value may be a list of one."
)
_INFER = f"""One tensor a feature. Where all features are numbers, one tensor of shape [n, n_features] will do.

With the header `{_LENGTH}` the body begins with JSON of that many bytes; the bytes of the tensors that have a
`binary_data_size` follow. The media type does not matter then. A body may be compressed (`Content-Encoding: gzip` or
`zstd`)."""


SERVER = complete(name=_TEXT, version=_TEXT, extensions=array(_TEXT))
LIVE = complete(live={"const": True})
READY = complete(ready={"const": True})
_TENSOR = complete(name=_TEXT, datatype={"enum": list(ALL)}, shape=array({"type": "integer"}))
MODEL = complete(name=_TEXT, versions=array(_TEXT), platform=_TEXT, inputs=array(_TENSOR), outputs=array(_TENSOR))
MODEL_READY = complete(name=_TEXT, ready={"const": True})
STATUS = complete(model_version_status=array(_ANY, minItems=1))
METADATA = complete(model_spec=_ANY, metadata=_ANY)


def infer(model: LiveModel | None) -> Shape:
    """The shape of ``POST /v2/models/{model}/infer``: its request and its answer."""
    output: dict[str, Any] = {**_TEXT}
    example: dict[str, Any] = {}
    if model is not None:
        schema = model.predictor.schema
        output = {"enum": output_names(schema)}
        row = schema.example_row()
        tensors = [
            {"name": name, "datatype": datatype, "shape": [1], "data": [_number(row[name])]}
            for name, datatype in described_inputs(schema)
        ]
        example = {"example": {"inputs": tensors}}
    size = {"type": "integer", "minimum": 0}
    parameters = {"type": ["object", "null"]}
    tensor = {
        "type": "object",
        "properties": {
            "name": {**_TEXT, "description": f"Name of a feature, or '{MATRIX}' for all features."},
            "datatype": {"enum": list(ALL)},
            "shape": array(size),
            "data": {"type": ["array", "null"], "items": _ELEMENT, "description": "Flat, or nested like the shape."},
            "parameters": {**parameters, "properties": {"binary_data_size": {**size, "type": ["integer", "null"]}}},
        },
        "required": ["name", "datatype", "shape"],
    }
    flag = {"type": ["boolean", "null"]}
    wanted_output = {
        "type": "object",
        "properties": {"name": output, "parameters": {**parameters, "properties": {"binary_data": flag}}},
        "required": ["name"],
    }
    request = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": {
                **parameters,
                "properties": {
                    "interval": interval(model, "number", "null"),
                    MISSING: {"enum": [*MISSING_COLUMNS, None]},
                    "binary_data_output": flag,
                },
            },
            "inputs": array(tensor, minItems=1),
            "outputs": {**array(wanted_output), "type": ["array", "null"]},
        },
        "required": ["inputs"],
    }
    head = {"name": output, "datatype": {"const": "FP64"}, "shape": array(size)}
    answer_output = {**complete(**head, data=_NUMBERS, parameters=_ANY), "required": list(head)}
    answer = complete(model_name=_TEXT, model_version=_TEXT, id=_TEXT, parameters=_ANY, outputs=array(answer_output))
    answer["required"] = ["model_name", "model_version", "outputs"]
    length = {"name": _LENGTH, "in": "header", "required": False, "schema": size}
    return Shape(
        {JSON: answer, BINARY.decode(): None},
        headers={_LENGTH: {"description": "Bytes of the JSON, where tensors follow it.", "schema": size}},
        description=_INFER,
        parameters=[length, missing_columns_parameter()],
        request={JSON: {"schema": request, **example}, BINARY.decode(): {"schema": _BYTES}},
    )


def predict(model: LiveModel | None) -> Shape:
    """The shape of ``POST /v1/models/{model}:predict``: its request and its answer."""
    instance: dict[str, Any] = {"description": _INSTANCE}
    example: dict[str, Any] = {}
    row = _ANY
    outputs: dict[str, Any] = {"type": "object", "additionalProperties": _NUMBERS}
    if model is not None:
        schema = model.predictor.schema
        names = output_names(schema)
        features = [or_list_of_one(feature) for feature in schema.json_schema()["properties"].values()]
        width = len(schema.names)
        listed = {"type": "array", "prefixItems": features, "minItems": width, "maxItems": width}
        # A row of one feature may be the bare value.
        instance["anyOf"] = [ref("Instance"), listed, *(features if width == 1 else ())]
        example = {"example": {"instances": [schema.example_row()]}}
        row = complete(**{name: {"type": "number"} for name in names})
        outputs = complete(**dict.fromkeys(names, _NUMBERS))
    options = {
        "signature_name": {"const": SIGNATURE},
        "interval": interval(model, "number", "null"),
    }
    text = "Each feature's name with the list of its values; each value may be a list of one."
    columns = {"type": "object", "minProperties": 1, "description": text}
    rows = array(instance, minItems=1)

    def request(key: str, absent: str, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {key: schema, absent: {"type": "null"}, **options}
        return {"type": "object", "properties": properties, "required": [key], "additionalProperties": False}

    requests = [request("instances", "inputs", rows), request("inputs", "instances", {"anyOf": [columns, rows]})]
    answer = {"anyOf": [complete(predictions=array(row, minItems=1)), complete(outputs=outputs)]}
    return Shape(
        {JSON: answer},
        headers={
            WARNING_COUNT.decode(): {"description": "Number of unusual values.", "schema": _COUNT},
            WARNINGS.decode(): {
                "description": "The first warnings, as JSON: row, field, kind and message of each.",
                "schema": _TEXT,
            },
        },
        description="A body with `instances` is answered with `predictions`, one with `inputs` with `outputs`.",
        parameters=[missing_columns_parameter()],
        request={JSON: {"schema": {"oneOf": requests}, **example}},
    )


def _number(value: Any) -> Any:
    """The value as a tensor holds it: true and false become 1.0 and 0.0."""
    return float(value) if isinstance(value, bool) else value
