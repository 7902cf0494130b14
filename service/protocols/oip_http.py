"""The Open Inference Protocol v2 over HTTP, with the binary tensor extension.

A body is JSON. With ``Inference-Header-Content-Length`` only its first bytes are JSON, as many as this header says. The
bytes of the tensors that have a ``binary_data_size`` follow, in the order of the tensors. Errors are
``{"error": "sentences"}``, see :meth:`ApiError.plain`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import orjson

from artifact.errors import Fault
from artifact.rows.absent import MissingColumns
from service.live.model import LiveModel
from service.predict.hints import is_not_finite, not_finite
from service.predict.inference import Answer
from service.predict.parts import WAY_OUT
from service.predict.requests import PredictRequest
from service.protocols import oip
from service.protocols.any_body import read_any_body, read_early
from service.protocols.datatypes import Values, fault, from_bytes, from_json, to_bytes
from service.protocols.formats import MISSING, missing_columns_of, read_missing_columns
from service.protocols.json_strict import read_json
from service.protocols.tensors import (
    Head,
    Inputs,
    Tensor,
    outputs_of,
    read_head,
    read_interval,
    select_outputs,
)
from service.wire.errors import DETAILS_LIMIT, Described, InvalidRequestError, NotJSONError
from service.wire.http import JSON, Receive, Reply, Scope
from service.worker import Worker

BINARY = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"


async def live(_worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /v2/health/live``."""
    return Reply(b'{"live":true}')


async def ready(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /v2/health/ready``: 503 while a worker has no model, or while the service stops."""
    worker.check_ready()
    return Reply(b'{"ready":true}')


async def server_metadata(_worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /v2``."""
    return Reply(orjson.dumps(oip.server_metadata()))


async def model_metadata(worker: Worker, scope: Scope, _receive: Receive) -> Reply:
    """``GET /v2/models/{model}``."""
    return Reply(orjson.dumps(oip.model_metadata(oip.live_model_at(worker, scope))))


async def model_ready(worker: Worker, scope: Scope, _receive: Receive) -> Reply:
    """``GET /v2/models/{model}/ready``."""
    model = oip.live_model_at(worker, scope)
    worker.check_ready()
    return Reply(orjson.dumps({"name": model.name, "ready": True}))


async def infer(worker: Worker, scope: Scope, receive: Receive) -> Reply:
    """``POST /v2/models/{model}/infer``."""
    settings = worker.settings
    model = oip.live_model_at(worker, scope)
    body = await read_any_body(worker, scope, receive)
    missing_columns = missing_columns_of(scope.get("query_string", b""))
    inference = Inference(model, max_rows=settings.max_rows, missing_columns=missing_columns)
    read = await read_early(lambda: inference.read(body, header_length(scope["headers"])), len(body))
    request, answer = await worker.answer(model, read, receive)
    return inference.write(request, answer)


class Inference:
    """One request and its answer.

    Args:
        model: the version that answers.
        max_rows: most rows in a request.
        missing_columns: value where the body does not name one. Defaults to ``refuse``.
    """

    def __init__(self, model: LiveModel, *, max_rows: int, missing_columns: MissingColumns = "refuse") -> None:
        self._model = model
        self._schema = model.predictor.schema
        self._inputs = Inputs(self._schema, max_rows=max_rows)
        self._missing_columns = missing_columns
        self._id: str | None = None
        # The name of each output to answer with, and whether it is sent as bytes.
        self._outputs: dict[str, bool] = {}

    def read(self, body: bytes, json_length: int | None) -> PredictRequest:
        """Read a body whose first ``json_length`` bytes are JSON; None means all of it.

        Raises:
            NotJSONError: these bytes are not JSON.
            InvalidRequestError: the body breaks the protocol or the schema.
            TooLargeError: the request has too many rows.
        """
        if json_length is not None and json_length > len(body):
            message = f"Expected at most {len(body)}, the number of bytes in the body."
            raise fault("Inference-Header-Content-Length", message, json_length)
        document, is_json = _json_object(body if json_length is None else body[:json_length])
        binary = memoryview(b"" if json_length is None else body)[json_length or 0 :]
        self._read_id(document.get("id"))
        parameters = _parameters(document)
        _refuse_misplaced(document)
        inputs = _objects(document, "inputs")
        heads = [read_head(i.get("name"), i.get("datatype"), i.get("shape")) for i in inputs]
        value = parameters.get(MISSING)
        missing_columns = self._missing_columns if value is None else read_missing_columns(value)
        n_rows = self._inputs.check(heads, missing_columns, WAY_OUT)
        if not is_json:
            self._refuse_not_finite(heads, inputs)
        self._read_outputs(_objects(document, "outputs"), parameters)
        parts = _Parts(binary)
        tensors = [Tensor(head, parts.values(head, i)) for head, i in zip(heads, inputs, strict=True)]
        parts.check_end()
        return self._inputs.request(tensors, n_rows, read_interval(parameters.get("interval")))

    def write(self, request: PredictRequest, answer: Answer) -> Reply:
        """The reply: JSON, followed by the outputs that the request wants as bytes."""
        columns = outputs_of(self._schema, answer)
        outputs: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for name, as_bytes in self._outputs.items():
            output: dict[str, Any] = {"name": name, "datatype": "FP64", "shape": [request.n_rows]}
            if as_bytes:
                parts.append(to_bytes(columns[name]))
                output["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                output["data"] = columns[name]
            outputs.append(output)
        document: dict[str, Any] = {"model_name": self._model.name, "model_version": self._model.version}
        if self._id is not None:
            document["id"] = self._id
        if answer.warnings:
            document["parameters"] = {"warnings": oip.warnings_text(answer.warnings)}
        head = orjson.dumps({**document, "outputs": outputs})
        if not parts:
            return Reply(head, content_type=JSON)
        return Reply(b"".join([head, *parts]), 200, BINARY, ((HEADER_LENGTH, b"%d" % len(head)),))

    def _refuse_not_finite(self, heads: list[Head], inputs: list[dict[str, Any]]) -> None:
        """Raise the error for a body that holds NaN or infinities, which JSON does not have.

        Raises:
            InvalidRequestError: they are in the data of a tensor; the error lists their places.
            NotJSONError: they are elsewhere.
        """
        faults: list[Fault] = []
        for head, entry in zip(heads, inputs, strict=True):
            names = self._inputs.columns_of(head)
            infinite = (p for p in enumerate(_flat(head, entry.get("data") or [])) if is_not_finite(p[1]))
            for at, value in islice(infinite, DETAILS_LIMIT):
                row, column = divmod(at, len(names))
                faults.append(not_finite(row, self._schema.feature(names[column]), value))
        if faults:
            raise InvalidRequestError(sorted(faults, key=lambda fault: fault.row or 0))
        raise NotJSONError("Expected a JSON body. Received: NaN or Infinity, which JSON does not have.")

    def _read_id(self, value: Any) -> None:
        if value is not None and not isinstance(value, str):
            raise fault("id", "Expected a string.", value)
        self._id = value

    def _read_outputs(self, outputs: list[dict[str, Any]], parameters: dict[str, Any]) -> None:
        all_as_bytes = _flag(parameters, "binary_data_output")
        as_bytes: dict[str, bool] = {}
        names = [output.get("name") for output in outputs]
        for name, output in zip(names, outputs, strict=True):
            if not isinstance(name, str):
                raise fault("outputs", "Expected an output with a 'name'.", name)
            as_bytes[name] = _flag(_parameters(output), "binary_data", default=all_as_bytes)
        selection = select_outputs(self._schema, [name for name in names if isinstance(name, str)])
        self._outputs = {name: as_bytes.get(name, all_as_bytes) for name in selection}


class _Parts:
    """The bytes behind the JSON, read tensor by tensor."""

    def __init__(self, binary: memoryview) -> None:
        self._binary = binary
        self._at = 0

    def values(self, head: Head, entry: dict[str, Any]) -> Values:
        """Read the elements of a tensor, from the JSON itself or from the next bytes."""
        size = _parameters(entry).get("binary_data_size")
        data = entry.get("data")
        if (size is None) == (data is None):
            message = "Expected 'data', or a 'binary_data_size' among the parameters."
            raise fault(head.name, message, Described("neither" if size is None else "both"))
        if size is None:
            return from_json(head.name, head.datatype, _flat(head, data))
        left = len(self._binary) - self._at
        if type(size) is not int or not 0 <= size <= left:
            raise fault(head.name, f"Expected a 'binary_data_size' of 0 to {left}, the bytes behind the JSON.", size)
        self._at += size
        return from_bytes(head.name, head.datatype, head.size, self._binary[self._at - size : self._at])

    def check_end(self) -> None:
        left = len(self._binary) - self._at
        if left:
            raise fault(None, f"Expected {self._at} bytes of tensors.", Described(f"{left} bytes more"))


def header_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The number of bytes of JSON in a body, or None if the whole body is JSON.

    Raises:
        InvalidRequestError: the header is not a number.
    """
    for name, value in headers:
        if name == HEADER_LENGTH:
            if not value.isdigit() or len(value) > 20:
                raise fault(
                    "Inference-Header-Content-Length", "Expected a number of bytes.", value[:40].decode("latin-1")
                )
            return int(value)
    return None


def _json_object(body: bytes) -> tuple[dict[str, Any], bool]:
    """The parsed body, and whether it is JSON; if it is not, it holds NaN or infinities."""
    document, is_json = read_json(body)
    if not isinstance(document, dict):
        raise fault(None, "Expected a JSON object with 'inputs'.", document)
    return document, is_json


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries = document.get(name)
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise fault(name, "Expected a list of objects.", entries)
    return entries


def _parameters(document: dict[str, Any]) -> dict[str, Any]:
    entries = document.get("parameters")
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise fault("parameters", "Expected an object.", entries)
    return entries


def _refuse_misplaced(document: dict[str, Any]) -> None:
    """Refuse a parameter beside 'inputs': it would have no effect there, and the caller would not notice."""
    for name in ("interval", MISSING):
        if name in document:
            raise fault(name, f'Expected it among the parameters: "parameters": {{"{name}": ...}}.', document[name])


def _flag(parameters: dict[str, Any], name: str, *, default: bool = False) -> bool:
    value = parameters.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise fault(name, "Expected true or false.", value)
    return value


def _flat(head: Head, data: Any) -> list[Any]:
    """The elements of JSON data, row by row; the data may be flat, or nested as the shape says."""
    if isinstance(data, list) and len(data) == head.size and not any(isinstance(entry, list) for entry in data):
        return data
    shape = list(head.shape)
    nested = isinstance(data, list) and len(shape) == 2 and len(data) == shape[0]
    if not nested or not all(isinstance(row, list) and len(row) == shape[1] for row in data):
        raise fault(head.name, f"Expected {head.size} elements in 'data', flat or nested as {shape}.", data)
    return [element for row in data for element in row]
