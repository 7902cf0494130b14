"""Runtimes, which compute the network. Each is imported when it is used, so that a service loads only one."""

from artifact.runtimes.base import (
    CATEGORICAL_INPUT,
    GOLDEN_TOLERANCE,
    NUMERIC_INPUT,
    OTHER_TOLERANCE,
    QUANTILES_OUTPUT,
    SPREAD_OUTPUT,
    VALUE_OUTPUT,
    Device,
    Float32,
    Int32,
    Outputs,
    Runtime,
    RuntimeName,
)
from artifact.runtimes.by_keras import KerasRuntime
from artifact.runtimes.by_onnx import OnnxRuntime
from artifact.runtimes.choose import has_model, open_runtime

__all__ = [
    "CATEGORICAL_INPUT",
    "GOLDEN_TOLERANCE",
    "NUMERIC_INPUT",
    "OTHER_TOLERANCE",
    "QUANTILES_OUTPUT",
    "SPREAD_OUTPUT",
    "VALUE_OUTPUT",
    "Device",
    "Float32",
    "Int32",
    "KerasRuntime",
    "OnnxRuntime",
    "Outputs",
    "Runtime",
    "RuntimeName",
    "has_model",
    "open_runtime",
]
