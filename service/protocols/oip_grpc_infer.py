"""``ModelInfer``: turns a message into a request, and an answer into a message.

Tensors come either as typed contents or all as raw bytes, and the outputs go back in the same form. FP16 can only be
raw bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.live.model import LiveModel
from service.predict.inference import Answer
from service.predict.requests import PredictRequest
from service.protocols import oip
from service.protocols import open_inference_pb2 as pb
from service.protocols.datatypes import BYTES, Values, fault, from_bytes, from_json, text, to_bytes
from service.protocols.formats import MISSING, read_missing_columns
from service.protocols.tensors import (
    Head,
    Inputs,
    Tensor,
    outputs_of,
    read_head,
    read_interval,
    select_outputs,
)
from service.wire.errors import Described

_WAY_OUT = f"set '{MISSING}' to 'impute' among the parameters"
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


class Inference:
    """One request and its answer.

    Args:
        model: the version that answers.
        message: message of the request.
        max_rows: most rows in a request.
    """

    def __init__(self, model: LiveModel, message: pb.ModelInferRequest, *, max_rows: int) -> None:
        self._model = model
        self._schema = model.predictor.schema
        self._message = message
        self._inputs = Inputs(self._schema, max_rows=max_rows)
        self._is_raw = len(message.raw_input_contents) > 0

    def read(self) -> PredictRequest:
        """Read the rows of the message.

        Raises:
            InvalidRequestError: the message breaks the protocol or the schema.
            TooLargeError: the request has too many rows.
        """
        inputs = self._message.inputs
        heads = [read_head(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in inputs]
        parameters = _parameters(self._message.parameters)
        n_rows = self._inputs.check(heads, read_missing_columns(parameters.get(MISSING)), _WAY_OUT)
        select_outputs(self._schema, self._output_names())
        raw = self._message.raw_input_contents
        if self._is_raw and len(raw) != len(inputs):
            raise fault(
                "raw_input_contents", f"Expected {len(inputs)} entries, one for each tensor, or none.", len(raw)
            )
        tensors = [
            Tensor(head, _raw(head, tensor, raw[i]) if self._is_raw else _typed(head, tensor.contents))
            for i, (head, tensor) in enumerate(zip(heads, inputs, strict=True))
        ]
        interval = read_interval(parameters.get("interval"))
        return self._inputs.request(tensors, n_rows, interval)

    def write(self, request: PredictRequest, answer: Answer) -> pb.ModelInferResponse:
        """The answer's message; its outputs are raw bytes if the inputs are."""
        response = pb.ModelInferResponse(
            model_name=self._model.name, model_version=self._model.version, id=self._message.id
        )
        columns = outputs_of(self._schema, answer)
        for name in select_outputs(self._schema, self._output_names()):
            output = response.outputs.add(name=name, datatype="FP64", shape=[request.n_rows])
            if self._is_raw:
                response.raw_output_contents.append(to_bytes(columns[name]))
            else:
                output.contents.fp64_contents.extend(columns[name])
        if answer.warnings:
            response.parameters["warnings"].string_param = oip.warnings_text(answer.warnings)
        return response

    def _output_names(self) -> list[str]:
        return [output.name for output in self._message.outputs]


def _raw(head: Head, tensor: Any, data: bytes) -> Values:
    if tensor.HasField("contents"):
        raise fault(head.name, "Expected 'contents' or 'raw_input_contents'.", Described("both"))
    return from_bytes(head.name, head.datatype, head.size, data)


def _typed(head: Head, contents: Any) -> Values:
    field = _CONTENTS.get(head.datatype)
    if field is None:
        raise fault(head.name, f"Expected {head.datatype} as 'raw_input_contents'.", Described("none"))
    others = [descriptor.name for descriptor, _ in contents.ListFields() if descriptor.name != field]
    if others:
        raise fault(head.name, f"Expected '{field}' for {head.datatype}.", Described(others[0]))
    values = list(getattr(contents, field))
    if len(values) != head.size:
        raise fault(head.name, f"Expected {head.size} elements in '{field}'.", len(values))
    if head.datatype == BYTES:
        return [text(head.name, element, row) for row, element in enumerate(values)]
    return from_json(head.name, head.datatype, values)


def _parameters(entries: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, parameter in entries.items():
        choice = parameter.WhichOneof("parameter_choice")
        values[name] = None if choice is None else getattr(parameter, choice)
    return values
