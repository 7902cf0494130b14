"""The part of the Open Inference Protocol that HTTP and gRPC share: finding a request's model, and metadata."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import orjson

from artifact.errors import unknown_name
from artifact.rows.encoding import RowWarning
from service.live.model import LiveModel
from service.protocols.tensors import described_inputs, output_names
from service.wire.errors import UnknownModelError
from service.wire.http import Scope
from service.worker import Worker

PLATFORM = "trueline_onnx"
EXTENSIONS = ["binary_tensor_data"]
_WARNINGS_SHOWN = 100


def live_model(worker: Worker, name: str, version: str | None) -> LiveModel:
    """The live model, if the request names it; only the live version is served.

    Raises:
        NotReadyError: no model is live.
        UnknownModelError: the request names another model or version; the message names the live one.
    """
    model = worker.deployment.route()
    if name != model.name:
        raise UnknownModelError(unknown_name("model", name, [model.name]))
    if version and version != model.version:
        raise UnknownModelError(unknown_name("version", version, [model.version], of=name))
    return model


def live_model_at(worker: Worker, scope: Scope) -> LiveModel:
    """The live model, if the path of a request names it, perhaps with its version; errors as in :func:`live_model`."""
    parameters = scope["path_params"]
    return live_model(worker, parameters["model"], parameters.get("version"))


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions of the server."""
    try:
        version = importlib.metadata.version("trueline")
    except importlib.metadata.PackageNotFoundError:  # the code runs from its source, as in a Bento
        version = "source"
    return {"name": "trueline", "version": version, "extensions": EXTENSIONS}


def model_metadata(model: LiveModel) -> dict[str, Any]:
    """Inputs and outputs of the live model; -1 in a shape stands for the number of rows."""
    schema = model.predictor.schema
    inputs = [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in described_inputs(schema)]
    outputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in output_names(schema)]
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
    }


def warnings_text(warnings: list[RowWarning]) -> str:
    """The first 100 warnings as JSON text, because a parameter of the protocol cannot be a list."""
    return orjson.dumps([w._asdict() for w in warnings[:_WARNINGS_SHOWN]]).decode()
