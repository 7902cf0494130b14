"""TensorFlow Serving's REST API, for users who move from it: predict, status and metadata of the live model.

``{"instances": [{feature: value} or [value, ...], ...]}`` is answered with ``{"predictions": [...]}``,
``{"inputs": {feature: [...]}}`` with ``{"outputs": {...}}``. ``null`` is a missing value.
Warnings of unusual values are in the headers ``X-Trueline-Warnings`` and ``X-Trueline-Warning-Count``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson

from artifact.errors import unknown_name
from artifact.rows.absent import MissingColumns
from artifact.rows.encoding import RowWarning
from artifact.rows.schema import FeatureSchema, Kind
from service.live.model import LiveModel
from service.predict.requests import PredictRequest
from service.protocols.any_body import read_any_body, read_early
from service.protocols.datatypes import fault
from service.protocols.formats import missing_columns_of
from service.protocols.json_strict import read_json
from service.protocols.oip import live_model_at
from service.protocols.tensors import output_names, outputs_of, read_interval
from service.wire.errors import Described, Headers, NotJSONError
from service.wire.http import Receive, Reply, Scope
from service.worker import Worker

SIGNATURE = "serving_default"
WARNINGS = b"x-trueline-warnings"
WARNING_COUNT = b"x-trueline-warning-count"
# Most bytes of one header, and of one message in it: some proxies allow 4 KiB for all headers of an answer.
_HEADER_BYTES = 2048
_MESSAGE = 200
_KEYS = ("instances", "inputs", "signature_name", "interval")
_DTYPES: dict[Kind, str] = {
    "number": "DT_DOUBLE",
    "integer": "DT_INT64",
    "boolean": "DT_BOOL",
    "category": "DT_STRING",
    "datetime": "DT_STRING",
}


async def predict(worker: Worker, scope: Scope, receive: Receive) -> Reply:
    """``POST /v1/models/{model}:predict``."""
    model = live_model_at(worker, scope)
    body = await read_any_body(worker, scope, receive)
    missing_columns = missing_columns_of(scope.get("query_string", b""))
    request, answer = await worker.answer(
        model, await read_early(lambda: read(model, body, missing_columns), len(body))
    )
    columns = outputs_of(model.predictor.schema, answer)
    headers = warning_headers(answer.warnings) if answer.warnings else ()
    if request.rows is None:
        return Reply(orjson.dumps({"outputs": columns}), headers=headers)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return Reply(orjson.dumps({"predictions": rows}), headers=headers)


async def status(worker: Worker, scope: Scope, _receive: Receive) -> Reply:
    """``GET /v1/models/{model}``."""
    model = live_model_at(worker, scope)
    state = {"version": model.version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return Reply(orjson.dumps({"model_version_status": [state]}))


async def metadata(worker: Worker, scope: Scope, _receive: Receive) -> Reply:
    """``GET /v1/models/{model}/metadata``."""
    model = live_model_at(worker, scope)
    schema = model.predictor.schema
    signature = {
        "inputs": {f.name: _tensor(f.name, _DTYPES[f.kind]) for f in schema.features},
        "outputs": {name: _tensor(name, "DT_DOUBLE") for name in output_names(schema)},
        "method_name": "tensorflow/serving/predict",
    }
    document = {
        "model_spec": {"name": model.name, "signature_name": "", "version": model.version},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }
    return Reply(orjson.dumps(document))


def read(model: LiveModel, body: bytes, missing_columns: MissingColumns = "refuse") -> PredictRequest:
    """Read a body into the rows or columns of ``POST /predict``, whose reader checks their values.

    Args:
        model: the version that answers.
        body: JSON.
        missing_columns: ``impute`` allows columns to lack a feature that training saw missing. Defaults to ``refuse``.

    Raises:
        NotJSONError: the body is not JSON.
        InvalidRequestError: the body breaks the protocol or the schema.
        TooLargeError: the request has too many rows.
    """
    document, is_json = read_json(body)
    if not isinstance(document, dict):
        raise fault(None, "Expected a JSON object with 'instances' or 'inputs'.", document)
    for key in document:
        if key not in _KEYS:
            raise fault(key, unknown_name("key", key, _KEYS), key)
    if document.get("signature_name", SIGNATURE) != SIGNATURE:
        raise fault("signature_name", f"Expected '{SIGNATURE}'.", document["signature_name"])
    instances, inputs = document.get("instances"), document.get("inputs")
    if (instances is None) == (inputs is None):
        raise fault(None, "Expected 'instances' or 'inputs'.", Described("neither" if inputs is None else "both"))
    schema = model.predictor.schema
    if isinstance(inputs, dict):
        rows: dict[str, Any] = {"columns": {name: _column(values) for name, values in inputs.items()}}
    else:
        name, entries = ("inputs", inputs) if instances is None else ("instances", instances)
        if not isinstance(entries, list) or not entries:
            raise fault(name, "Expected a list of rows, at least one.", entries)
        # If the body has only one opening bracket, it belongs to the list of rows. Then no value is a list, and none
        # needs a check.
        nested = body.count(b"[") > 1
        rows = {"rows": [_row(schema, i, row, nested=nested) for i, row in enumerate(entries)]}
    interval = read_interval(document.get("interval"))
    if not is_json:
        raise model.reader.refusal({**rows, "interval": interval}, missing_columns)
    try:
        whole = orjson.dumps({**rows, "interval": interval})
    except orjson.JSONEncodeError as error:  # orjson reads deeper nesting than it writes
        raise NotJSONError(f"Expected a JSON body. Received: JSON that is nested too deeply ({error}).") from None
    request = model.reader.read(whole, missing_columns)
    if inputs is not None and request.rows is not None:
        # `inputs` is always answered with `outputs`, so rows under it become columns.
        columns = {name: [row.get(name) for row in request.rows] for name in schema.names}
        return PredictRequest(None, columns, request.n_rows, request.interval)
    return request


def warning_headers(warnings: Sequence[RowWarning]) -> Headers:
    """The number of unusual values, and the first warnings as ASCII JSON, which any proxy lets through.

    The body stays as in TensorFlow Serving, for some clients refuse a key that they do not know.
    """
    entries: list[str] = []
    size = 2
    for warning in warnings:
        entry = json.dumps(warning._replace(message=warning.message[:_MESSAGE])._asdict(), separators=(",", ":"))
        size += len(entry) + 1
        if size > _HEADER_BYTES:
            break
        entries.append(entry)
    return ((WARNING_COUNT, b"%d" % len(warnings)), (WARNINGS, f"[{','.join(entries)}]".encode()))


def _row(schema: FeatureSchema, index: int, row: Any, *, nested: bool) -> Any:
    if isinstance(row, dict):
        has_lists = nested and list in map(type, row.values())
        return {name: _unwrap(value) for name, value in row.items()} if has_lists else row
    values = row if isinstance(row, list) else [row]
    if list in map(type, values):
        values = list(map(_unwrap, values))
    if len(values) != len(schema.names):
        message = f"Expected an object, or {len(schema.names)} values in the order of GET /schema."
        raise fault(None, message, Described(f"{len(values)} value{'' if len(values) == 1 else 's'}"), row=index)
    return dict(zip(schema.names, values, strict=True))


def _unwrap(value: Any) -> Any:
    """A value without the list around it: clients with tensors of shape [n, 1] send each value as a list of one."""
    return value[0] if type(value) is list and len(value) == 1 else value


def _column(values: Any) -> Any:
    """The values of a column of shape [n] or [n, 1]: in the second form each value is a list of one."""
    if isinstance(values, list) and values and all(isinstance(v, list) and len(v) == 1 for v in values):
        return [value[0] for value in values]
    return values


def _tensor(name: str, dtype: str) -> dict[str, Any]:
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": name}
