"""Sends rows to a running service by tritonclient, over HTTP or gRPC, and prints the answers as JSON.

It runs in a process of its own: tritonclient's messages have the names of ours, and one process can hold only one set.

    python -m tests.service.protocols.triton_client http|grpc ADDRESS MODEL < ROWS

ROWS is ``{"columns": {name: [datatype, values]}, "interval": 0.8}``; null is missing.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

DTYPES = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def array(datatype: str, values: list[Any]) -> Any:
    if datatype == "BYTES":
        return np.array([("" if v is None else v).encode() for v in values], dtype=np.object_)
    return np.array([np.nan if v is None else v for v in values], dtype=DTYPES[datatype])


def inputs_of(module: Any, columns: dict[str, Any], **how: Any) -> list[Any]:
    inputs = []
    for name, (datatype, values) in columns.items():
        elements = array(datatype, values)
        assert np_to_triton_dtype(elements.dtype) == datatype
        tensor = module.InferInput(name, [len(values)], datatype)
        tensor.set_data_from_numpy(elements, **how)
        inputs.append(tensor)
    return inputs


def answers(result: Any, names: list[str]) -> dict[str, list[float]]:
    return {name: result.as_numpy(name).tolist() for name in names}


def error_of(call: Any) -> tuple[str, str]:
    try:
        call()
    except InferenceServerException as error:
        return str(error.status()), error.message()
    raise AssertionError("no error")


def main() -> None:
    protocol, address, model = sys.argv[1:]
    request = json.load(sys.stdin)
    columns, interval = request["columns"], request["interval"]
    module = importlib.import_module(f"tritonclient.{protocol}")
    client = module.InferenceServerClient(address)
    report: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model),
    }
    metadata = client.get_model_metadata(model, **({"as_json": True} if protocol == "grpc" else {}))
    report["metadata"] = metadata
    report["server"] = client.get_server_metadata(**({"as_json": True} if protocol == "grpc" else {}))["name"]
    names = [output["name"] for output in metadata["outputs"]]
    binary = inputs_of(module, columns)
    result = client.infer(model, binary, request_id="7", parameters={"interval": interval})
    report["binary"] = answers(result, names)
    response = result.get_response(**({"as_json": True} if protocol == "grpc" else {}))
    report["id"] = response["id"]
    version = metadata["versions"][0]
    one = [module.InferRequestedOutput(names[0])]
    report["one"] = answers(client.infer(model, binary, model_version=version, outputs=one), names[:1])
    if protocol == "http":
        # JSON has no NaN, so features that may be missing are left out of this request, with missing_columns=impute.
        complete = {name: column for name, column in columns.items() if None not in column[1]}
        tensors = inputs_of(module, complete, binary_data=False)
        imputing = {"missing_columns": "impute"}
        outputs = [module.InferRequestedOutput(name, binary_data=False) for name in names]
        report["json"] = answers(client.infer(model, tensors, outputs=outputs, parameters=imputing), names)
        packed = client.infer(model, binary, response_compression_algorithm="gzip")
        report["packed"] = answers(packed, names)
    wrong = module.InferInput("agee", [1], "FP64")
    wrong.set_data_from_numpy(np.zeros(1))
    report["errors"] = {
        "model": error_of(lambda: client.get_model_metadata("house")),
        "version": error_of(lambda: client.infer(model, binary, model_version="1")),
        "input": error_of(lambda: client.infer(model, [wrong])),
    }
    client.close()
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
