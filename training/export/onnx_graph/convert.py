"""Walks through a Keras model of the artifact's layers, and writes each layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from training.export.onnx_graph import hidden, mixture, numbers, target
from training.export.onnx_graph.categories import Codes, Embedded, one_hot
from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.heads import Heads
from training.export.onnx_graph.parts import Features
from training.families import FAMILIES


@dataclass(frozen=True, slots=True)
class _HeadList:
    """Heads side by side, as one value: Keras would take a list for several values."""

    heads: tuple[Heads, ...]


def write_onnx(model: Any, path: Path, *, exact: bool = False) -> None:
    """Write a model that :func:`training.networks.model.whole` made.

    Args:
        model: Keras model, ``{"numeric", "categorical"}`` -> ``{"value", "spread" or "quantiles"}``.
        path: file to write.
        exact: see :class:`Graph`; it needs more operations. Defaults to False.

    Raises:
        UnsupportedError: a layer, or the way it is used, is not known here; no file was written.
    """
    graph = Graph(exact)
    inputs = [_input(graph, tensor) for tensor in model.inputs]
    outputs = _walk(graph, model, inputs)
    if not isinstance(outputs, dict):
        raise UnsupportedError("outputs without names")
    # Keras flattens a dictionary by its sorted keys.
    for tensor, name in zip(model.outputs, sorted(outputs), strict=True):
        graph.output(name, outputs[name], tuple(int(size) for size in tensor.shape[1:]))
    graph.write(path)


def _input(graph: Graph, tensor: Any) -> Any:
    width = int(tensor.shape[-1])
    if tensor.name == CATEGORICAL_INPUT:
        return Codes(graph.input(tensor.name, width, onnx.TensorProto.INT32), width)
    if tensor.name != NUMERIC_INPUT:
        raise UnsupportedError(f"input {tensor.name}")
    return graph.input(tensor.name, width)


def _walk(graph: Graph, model: Any, inputs: list[Any]) -> Any:
    """The values of a model's outputs, from the values of its inputs."""
    if not hasattr(model, "_run_through_graph"):
        raise UnsupportedError(type(model).__name__)
    return model._run_through_graph(inputs, operation_fn=lambda operation: partial(_write, graph, operation))


def _write(graph: Graph, operation: Any, *args: Any, **_: Any) -> Any:
    """The value of an operation's output: a tensor's name, or features or heads that are not computed yet."""
    name = type(operation).__name__
    if name in _PASSED:
        return args[0]
    if name == "Functional":
        (values,) = args
        inputs = [values[t.name] if isinstance(values, dict) else values for t in operation.inputs]
        return _walk(graph, operation, inputs)
    writer = _WRITERS.get(name) or next((f.onnx[name] for f in FAMILIES.values() if name in f.onnx), None)
    if writer is None:
        raise UnsupportedError(f"layer {name}")
    return writer(graph, operation, *args)


def _cut(graph: Graph, operation: Any, features: Features, key: Any) -> Features:  # noqa: ARG001
    """``features[:, :, start:stop]``."""
    whole = slice(None)
    if not (isinstance(key, tuple | list) and len(key) == 3 and key[0] == key[1] == whole and key[2].step is None):
        raise UnsupportedError(f"slice {key}")
    start, stop, _ = key[2].indices(features.width)
    return features.cut(start, stop)


def _joined(graph: Graph, operation: Any, parts: list[Features]) -> Features:  # noqa: ARG001
    return Features(tuple(part for features in parts for part in features.parts))


def _diagonal(graph: Graph, operation: Any, features: Features) -> Features:  # noqa: ARG001
    return features.scaled(operation.get_weights()[0][:, 0].astype("float64"))


def _embedded(graph: Graph, operation: Any, codes: Codes) -> Features:  # noqa: ARG001
    return Features((Embedded.of(operation, codes),))


def _heads(graph: Graph, operation: Any, features: Features) -> Heads:  # noqa: ARG001
    return Heads.of(operation, features)


def _head_list(graph: Graph, operation: Any, heads: list[Heads]) -> _HeadList:  # noqa: ARG001
    if not all(isinstance(head, Heads) for head in heads):
        raise UnsupportedError("features joined by Concatenate")
    return _HeadList(tuple(heads))


def _answers(graph: Graph, operation: Any, heads: Any) -> dict[str, str]:
    return target.answers(graph, operation, heads.heads if isinstance(heads, _HeadList) else [heads])


# Layers that do nothing in an answer; a tensor that is the same for every network stays one tensor.
_PASSED = ("ExpandDims", "StackedDropout", "StopGradient")
_WRITERS: dict[str, Callable[..., Any]] = {
    "NumericPreprocessing": numbers.preprocessing,
    "PiecewiseLinearEmbedding": numbers.piecewise,
    "PeriodicEmbedding": numbers.periodic,
    "PolynomialFeatures": numbers.products,
    "SoftBound": numbers.soft_bound,
    "CategoryEmbedding": _embedded,
    "OneHot": one_hot,
    "JoinFeatures": _joined,
    "DiagonalScale": _diagonal,
    "GetItem": _cut,
    "StackedDense": hidden.dense,
    "MemberScale": hidden.members,
    "StackedHeads": _heads,
    "Concatenate": _head_list,
    "TargetScaling": _answers,
    "BoostedTrees": mixture.trees,
    "Mixture": mixture.mixture,
}
