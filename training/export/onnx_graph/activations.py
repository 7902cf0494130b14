"""Activations by Keras's names, in standard operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.export.onnx_graph.graph import Graph, UnsupportedError


def activated(graph: Graph, name: str | None, x: str) -> str:
    """Apply an activation to a tensor; None leaves the tensor as it is.

    Raises:
        UnsupportedError: the activation is not known here.
    """
    if name is None or name == "linear":
        return x
    if name not in _ACTIVATIONS:
        raise UnsupportedError(f"activation {name}")
    return _ACTIVATIONS[name](graph, x)


def mish(graph: Graph, x: str) -> str:
    """``x tanh(softplus(x))``; only later versions of the standard have an operation for it."""
    output: str = graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))
    return output


def _gelu(graph: Graph, x: str) -> str:
    erf = graph.add("Erf", graph.add("Mul", x, np.float32(0.5**0.5)))
    output: str = graph.add("Mul", graph.add("Mul", x, np.float32(0.5)), graph.add("Add", erf, np.float32(1)))
    return output


def _silu(graph: Graph, x: str) -> str:
    # ONNX Runtime fuses the two operations.
    output: str = graph.add("Mul", x, graph.add("Sigmoid", x))
    return output


def _operation(operation: str, **attributes: Any) -> Callable[[Graph, str], str]:
    def activation(graph: Graph, x: str) -> str:
        name: str = graph.add(operation, x, **attributes)
        return name

    return activation


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "relu": _operation("Relu"),
    "sigmoid": _operation("Sigmoid"),
    "tanh": _operation("Tanh"),
    # Keras's own slope.
    "leaky_relu": _operation("LeakyRelu", alpha=0.2),
    "elu": _operation("Elu", alpha=1.0),
    "selu": _operation("Selu"),
    "softplus": _operation("Softplus"),
    "gelu": _gelu,
    "silu": _silu,
    "mish": mish,
}
