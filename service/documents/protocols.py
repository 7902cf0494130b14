"""The paths that name a model, for the OpenAPI document: the Open Inference Protocol and TensorFlow Serving's."""

from __future__ import annotations

from typing import Any

from artifact.rows.absent import MISSING_COLUMNS
from service.documents.parts import JSON, Parts
from service.documents.schemas import array, complete, interval, missing_columns_parameter, or_list_of_one, ref
from service.live.model import LiveModel
from service.protocols.datatypes import ALL
from service.protocols.formats import MISSING
from service.protocols.oip_http import BINARY
from service.protocols.paths import PATHS
from service.protocols.tensors import MATRIX, described_inputs, output_names
from service.protocols.tf_serving import SIGNATURE, WARNING_COUNT, WARNINGS

_OIP, _TF = "Open Inference Protocol", "TensorFlow Serving"
_TEXT: dict[str, Any] = {"type": "string"}
_NUMBERS = array({"type": "number"})
_BYTES: dict[str, Any] = {"type": "string", "format": "binary", "description": "As its header says."}
_ANY: dict[str, Any] = {"type": "object"}
# Without a type for each kind of element: makers of clients pass over an operation whose arrays have none at all.
_ELEMENT: dict[str, Any] = {"description": "A number, true, false, a string or null; or a list of them."}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1}
_INSTANCE = (
    "An object as in POST /predict, or a list in the order of GET /schema; each value may be in a list of its own."
)
_POST = (400, 404, 408, 413, 415, 429, 503, 504)
_LENGTH = "Inference-Header-Content-Length"
_INFER = f"""One tensor a feature, or where all features are numbers one of shape [n, n_features].

With `{_LENGTH}` the body is JSON of that many bytes and then the tensors with a `binary_data_size`, whatever its media
type. A body may be compressed (`Content-Encoding: gzip` or `zstd`)."""


def protocol_paths(model: LiveModel | None, parts: Parts) -> dict[str, Any]:
    """Path items by path, those of :data:`service.protocols.paths.PATHS`."""
    made = {
        "/v2": _get(parts, _OIP, "The server", complete(name=_TEXT, version=_TEXT, extensions=array(_TEXT))),
        "/v2/health/live": _get(parts, _OIP, "200 while the process runs", complete(live={"const": True})),
        "/v2/health/ready": _get(parts, _OIP, "As /readyz", complete(ready={"const": True}), 503),
    }
    shapes: dict[str, Any] = {
        "/v2/models/{model}": ("Inputs and outputs", _metadata()),
        "/v2/models/{model}/ready": ("Whether it is ready", complete(name=_TEXT, ready={"const": True})),
        "/v1/models/{model}": ("Status", complete(model_version_status=array(_ANY, minItems=1))),
        "/v1/models/{model}/metadata": ("Inputs and outputs", complete(model_spec=_ANY, metadata=_ANY)),
    }
    paths: dict[str, Any] = {}
    for path in PATHS:
        plain = path.replace("/versions/{version}", "")
        if path in made:
            item = made[path](path)
        elif plain in shapes:
            summary, schema = shapes[plain]
            item = _get(parts, _OIP if path.startswith("/v2") else _TF, summary, schema, 404, 503)(path)
        elif path.startswith("/v2"):
            item = {"post": _infer(path, model, parts)}
        else:
            item = {"post": _predict(path, model, parts)}
        if plain != "/v2" and "{model}" in path:
            item["parameters"] = _named(model, with_version=path != plain)
        paths[path] = item
    return paths


def _get(parts: Parts, tag: str, summary: str, schema: dict[str, Any], *errors: int) -> Any:
    def item(path: str) -> dict[str, Any]:
        return {"get": parts.operation(path, tag, summary, {JSON: schema}, errors, plain=True)}

    return item


def _named(model: LiveModel | None, *, with_version: bool) -> list[dict[str, Any]]:
    """The parameters of a path; only the live model's names are good."""
    names = {"model": None if model is None else model.name}
    if with_version:
        names["version"] = None if model is None else model.version
    return [
        {"name": name, "in": "path", "required": True, "schema": _TEXT if live is None else {"enum": [live]}}
        for name, live in names.items()
    ]


def _metadata() -> dict[str, Any]:
    tensor = complete(name=_TEXT, datatype={"enum": list(ALL)}, shape=array({"type": "integer"}))
    return complete(name=_TEXT, versions=array(_TEXT), platform=_TEXT, inputs=array(tensor), outputs=array(tensor))


def _infer(path: str, model: LiveModel | None, parts: Parts) -> dict[str, Any]:
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
            "name": {**_TEXT, "description": f"A feature's, or '{MATRIX}' for all of them."},
            "datatype": {"enum": list(ALL)},
            "shape": array(size),
            "data": {"type": ["array", "null"], "items": _ELEMENT, "description": "Flat, or nested as the shape is."},
            "parameters": {**parameters, "properties": {"binary_data_size": {**size, "type": ["integer", "null"]}}},
        },
        "required": ["name", "datatype", "shape"],
    }
    flag = {"type": ["boolean", "null"]}
    asked = {
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
            "outputs": {**array(asked), "type": ["array", "null"]},
        },
        "required": ["inputs"],
    }
    answered = {"name": output, "datatype": {"const": "FP64"}, "shape": array(size)}
    answer_output = {**complete(**answered, data=_NUMBERS, parameters=_ANY), "required": list(answered)}
    answer = complete(model_name=_TEXT, model_version=_TEXT, id=_TEXT, parameters=_ANY, outputs=array(answer_output))
    answer["required"] = ["model_name", "model_version", "outputs"]
    length = {"name": _LENGTH, "in": "header", "required": False, "schema": size}
    return parts.operation(
        path,
        _OIP,
        "Predict tensors",
        {JSON: answer, BINARY.decode(): None},
        _POST,
        plain=True,
        headers={_LENGTH: {"description": "Of an answer with bytes behind its JSON.", "schema": size}},
        description=_INFER,
        parameters=[length, missing_columns_parameter()],
        requestBody={
            "required": True,
            "content": {JSON: {"schema": request, **example}, BINARY.decode(): {"schema": _BYTES}},
        },
    )


def _predict(path: str, model: LiveModel | None, parts: Parts) -> dict[str, Any]:
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
        # A row of one feature may be its bare value.
        instance["anyOf"] = [ref("Instance"), listed, *(features if width == 1 else ())]
        example = {"example": {"instances": [schema.example_row()]}}
        row = complete(**{name: {"type": "number"} for name in names})
        outputs = complete(**dict.fromkeys(names, _NUMBERS))
    options = {
        "signature_name": {"const": SIGNATURE},
        "interval": interval(model, "number", "null"),
    }
    text = "Feature name to a list of values, or of lists of one."
    columns = {"type": "object", "minProperties": 1, "description": text}
    rows = array(instance, minItems=1)

    def request(given: str, absent: str, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {given: schema, absent: {"type": "null"}, **options}
        return {"type": "object", "properties": properties, "required": [given], "additionalProperties": False}

    requests = [request("instances", "inputs", rows), request("inputs", "instances", {"anyOf": [columns, rows]})]
    answer = {"anyOf": [complete(predictions=array(row, minItems=1)), complete(outputs=outputs)]}
    content = {JSON: {"schema": {"oneOf": requests}, **example}}
    body = {"required": True, "content": content}
    text = "`instances` are answered with `predictions`, `inputs` with `outputs`."
    return parts.operation(
        path,
        _TF,
        "Predict instances",
        {JSON: answer},
        _POST,
        plain=True,
        headers={
            WARNING_COUNT.decode(): {"description": "How many values are unusual.", "schema": _COUNT},
            WARNINGS.decode(): {
                "description": "The first of them, as JSON: row, field, kind and message of each.",
                "schema": _TEXT,
            },
        },
        description=text,
        parameters=[missing_columns_parameter()],
        requestBody=body,
    )


def _number(value: Any) -> Any:
    """As a tensor has it: no FP64 is true."""
    return float(value) if isinstance(value, bool) else value
