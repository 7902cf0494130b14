"""Activations by Keras's names, in standard operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.export.onnx_graph.graph import Graph, UnsupportedError


def activated(graph: Graph, name: str | None, x: str) -> str:
    """A tensor through an activation; None leaves it.

    Raises:
        UnsupportedError: a name that has no form here.
    """
    if name is None or name == "linear":
        return x
    if name not in _ACTIVATIONS:
        raise UnsupportedError(f"activation {name}")
    return _ACTIVATIONS[name](graph, x)


def mish(graph: Graph, x: str) -> str:
    """``x tanh(softplus(x))``; an operation of its own only in later standards."""
    found: str = graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))
    return found


def _gelu(graph: Graph, x: str) -> str:
    erf = graph.add("Erf", graph.add("Mul", x, np.float32(0.5**0.5)))
    found: str = graph.add("Mul", graph.add("Mul", x, np.float32(0.5)), graph.add("Add", erf, np.float32(1)))
    return found


def _silu(graph: Graph, x: str) -> str:
    # ONNX Runtime computes the two in one.
    found: str = graph.add("Mul", x, graph.add("Sigmoid", x))
    return found


def _one(operation: str, **attributes: Any) -> Callable[[Graph, str], str]:
    def found(graph: Graph, x: str) -> str:
        name: str = graph.add(operation, x, **attributes)
        return name

    return found


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "relu": _one("Relu"),
    "sigmoid": _one("Sigmoid"),
    "tanh": _one("Tanh"),
    # Keras's own slope.
    "leaky_relu": _one("LeakyRelu", alpha=0.2),
    "elu": _one("Elu", alpha=1.0),
    "selu": _one("Selu"),
    "softplus": _one("Softplus"),
    "gelu": _gelu,
    "silu": _silu,
    "mish": mish,
}
