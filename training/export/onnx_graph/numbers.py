"""Numeric columns: imputed, scaled, softly bounded, embedded (piecewise linear or periodic), or multiplied."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from training.export.onnx_graph.bins import Bins
from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.parts import Features, Float64, Plain

# The same limit as in artifact.layers.numeric.
_LIMIT = 1e6


def preprocessing(graph: Graph, layer: Any, tensor: str) -> Features:
    """:class:`NumericPreprocessing` of a request's numbers, (n, n_numeric); the flags are a part of their own."""
    center, inverse = np.asarray(layer.center), 1.0 / np.asarray(layer.scale, np.float64)
    missing = graph.add("IsNaN", tensor)
    filled = graph.add("Where", missing, center.astype(np.float32), tensor)
    # The squeeze divides by 3 and later multiplies by 3. The first goes into the scale, the second into the next
    # product.
    factor = 3.0 if layer.squeeze else 1.0
    z = graph.add("Mul", graph.add("Sub", filled, center), inverse / factor)
    z = graph.add("Clip", z, np.float32(-_LIMIT / factor), np.float32(_LIMIT / factor))
    width = len(center)
    if layer.squeeze:
        z = _squeezed(graph, z)
    numbers = Plain.of(z, 1, width)
    parts = [numbers.scaled(np.full((1, width), factor)) if layer.squeeze else numbers]
    if layer.flagged:
        # Flags are computed for all columns. Columns that have no flag get weights of 0, which costs less than picking
        # columns.
        flags = graph.add("Cast", missing, to=1)
        parts.append(Plain(flags, 1, np.eye(width)[None, :, layer.flagged]))
    return Features(tuple(parts))


def soft_bound(graph: Graph, layer: Any, features: Features) -> Features:  # noqa: ARG001 - the layers share a signature
    """:class:`SoftBound`, a part at a time."""
    parts = []
    for part in features.parts:
        plain = part.plain(graph)
        bounded = _squeezed(graph, graph.add("Mul", plain.tensor, np.float32(1 / 3)))
        factor = np.full((1, plain.width), 3.0)
        parts.append(Plain.of(bounded, plain.networks, plain.width).scaled(factor))
    return Features(tuple(parts))


def piecewise(graph: Graph, layer: Any, features: Features) -> Features:
    """:class:`PiecewiseLinearEmbedding` of numbers that are the same for every network."""
    tensor, factor = _columns(graph, features)
    bins = Bins.of(layer, tensor, factor)
    if layer.activation is None:
        return Features((bins,))
    return Features((bins.activated(graph, layer.activation),))


def periodic(graph: Graph, layer: Any, features: Features) -> Features:
    """:class:`PeriodicEmbedding` of numbers that are the same for every network."""
    tensor, factor = _columns(graph, features)
    frequency, phase, kernel, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    networks, columns, _, count = frequency.shape
    # (n, columns, 1) times (networks, 1, columns, frequencies).
    x = graph.add("Unsqueeze", tensor, np.array([2], np.int64))
    angle = graph.add("Mul", x, (2 * math.pi * frequency * factor[:, None, None]).transpose(0, 2, 1, 3))
    waves = graph.add("Cos", graph.add("Add", angle, phase.transpose(0, 2, 1, 3)))
    waves = graph.reshape(waves, *((networks,) if networks > 1 else ()), -1, columns * count)
    dim = layer.dim
    learned = np.zeros((networks, columns * count, columns * dim))
    itself = np.zeros((1, columns, columns * dim))
    offset = np.zeros((networks, columns * dim))
    for j in range(columns):
        learned[:, j * count : (j + 1) * count, j * dim + 1 : (j + 1) * dim] = kernel[:, j]
        offset[:, j * dim + 1 : (j + 1) * dim] = bias[:, j, 0]
        itself[0, j, j * dim] = factor[j]
    embedded = graph.matmul(waves, learned if networks > 1 else learned[0], "embedding")
    embedded = graph.add("Add", embedded, offset[:, None, :] if networks > 1 else offset[0])
    embedded = graph.add("Add", embedded, graph.matmul(tensor, itself[0], "embedding"))
    return Features((Plain.of(embedded, networks, columns * dim),))


def products(graph: Graph, layer: Any, features: Features) -> Features:
    """:class:`PolynomialFeatures`."""
    first = features.cut(0, layer.columns).joined(graph)
    x = first.tensor
    last, parts, width = x, [x], layer.columns
    for of_products, of_columns in layer._steps:
        previous = graph.add("Gather", last, of_products.astype(np.int64), axis=-1)
        last = graph.add("Mul", previous, graph.add("Gather", x, of_columns.astype(np.int64), axis=-1))
        parts.append(last)
        width += len(of_products)
    tensor = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=-1)
    multiplied = Plain.of(tensor, first.networks, width)
    return Features((multiplied, *features.cut(layer.columns, features.width).parts))


def _squeezed(graph: Graph, u: str) -> str:
    """``u / sqrt(1 + u^2)``."""
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", u, u), np.float32(1)))
    output: str = graph.add("Div", u, root)
    return output


def _columns(graph: Graph, features: Features) -> tuple[str, Float64]:
    """The tensor (n, width) and the factor of each feature, (width,).

    Raises:
        UnsupportedError: features differ between networks.
    """
    (only,) = features.parts if len(features.parts) == 1 else (None,)
    plain = only if isinstance(only, Plain) else features.joined(graph)
    if plain.networks > 1:
        raise UnsupportedError("an embedding of features that differ between networks")
    columns = plain.columns_scaled()
    if columns is None:
        plain = plain.plain(graph)
        return plain.tensor, np.ones(plain.width)
    index, factor = columns
    if not np.array_equal(index, np.arange(plain.matrix.shape[1])):
        return graph.add("Gather", plain.tensor, index.astype(np.int64), axis=1), factor
    return plain.tensor, factor
