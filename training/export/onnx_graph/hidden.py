"""Hidden layers and members.

Hidden layers of several networks are computed separately: ONNX Runtime arranges a weight of two axes in memory when a
model is loaded, and one of three axes at every call. Small layers are computed together, by one product with a matrix
of blocks: its zeros cost less time than the operations that it saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.export.onnx_graph.activations import activated, mish
from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.parts import NODE, Features, Float64, Part, Plain, wide


@dataclass(frozen=True, slots=True)
class PerNetwork:
    """Features of each network in a tensor of its own.

    Attributes:
        tensors: one tensor for each network, (n * members, width); the members of one row follow one another.
        width: number of features.
        members: number of members of each network.
    """

    tensors: tuple[str, ...]
    width: int
    members: int = 1


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Features of all networks side by side in one tensor.

    Attributes:
        tensor: (n, networks * width).
        networks: number of networks.
        width: number of features of one network.
    """

    tensor: str
    networks: int
    width: int

    def split(self, graph: Graph) -> PerNetwork:
        return PerNetwork(_split(graph, self.tensor, self.networks, axis=1), self.width)


Layer = Features | PerNetwork | SideBySide


def dense(graph: Graph, layer: Any, features: Layer) -> PerNetwork | SideBySide:
    """:class:`StackedDense`."""
    kernel, bias, *mix = (np.asarray(w, np.float64) for w in layer.get_weights())
    if layer._scale is not None:
        kernel = kernel * layer._scale
    networks, units = len(kernel), layer.units
    share = mix[0].reshape(networks, units) if mix else None
    count = features.members if isinstance(features, PerNetwork) else 1
    together = None
    if isinstance(features, Features):
        features = _ready(graph, features, networks, units)
        if all(part.is_shared for part in features.parts):
            # All networks have the same inputs: one product and one activation.
            together = _products_of_all(graph, features, kernel, bias[:, 0])
    elif isinstance(features, SideBySide) and blocks_pay(kernel, 2 * networks):
        # This saves a product and an activation for each network.
        together = graph.add("Add", graph.matmul(features.tensor, blocks(kernel)), bias.reshape(-1))
    if together is not None:
        activations = _activate(graph, layer.activation, together, None if share is None else share.reshape(-1))
        return SideBySide(activations, networks, units)
    if isinstance(features, SideBySide):
        features = features.split(graph)
    through = [
        _activate(graph, layer.activation, tensor, None if share is None else share[k])
        for k, tensor in enumerate(products(graph, features, kernel, bias[:, 0]))
    ]
    return PerNetwork(tuple(through), units, count)


def blocks_pay(kernel: Float64, saved: int) -> bool:
    """Whether ``saved`` operations cost more time than the zeros of :func:`blocks`."""
    return (len(kernel) - 1) * kernel.size <= saved * NODE


def blocks(kernel: Float64) -> Float64:
    """Networks' weights (networks, width, units) as blocks of one matrix (networks * width, networks * units)."""
    networks, width, units = kernel.shape
    matrix = np.zeros((networks, width, networks, units))
    matrix[np.arange(networks), :, np.arange(networks)] = kernel
    return matrix.reshape(networks * width, networks * units)


def products(graph: Graph, features: Features | PerNetwork, W: Float64, bias: Float64) -> tuple[str, ...]:
    """``features @ W + bias`` for each network, (n * members, units).

    Args:
        graph: the graph to add nodes to.
        features: inputs of the networks.
        W: (networks, width, units).
        bias: (networks, units).
    """
    networks = len(W)
    if isinstance(features, PerNetwork):
        pairs = zip(features.tensors, W, bias, strict=True)
        return tuple(graph.add("Add", graph.matmul(tensor, w), b) for tensor, w, b in pairs)
    shared: list[tuple[Part, Float64]] = []
    own: list[tuple[Part, Float64]] = []
    start = 0
    for part in _ready(graph, features, networks, W.shape[-1]).parts:
        weights = W[:, start : start + part.width]
        (shared if part.is_shared else own).append((part, weights))
        start += part.width
    total = None
    if shared:
        same = Features(tuple(part for part, _ in shared))
        total = _products_of_all(graph, same, np.concatenate([w for _, w in shared], axis=1), bias)
        if not own:
            return _split(graph, total, networks, axis=1)
    stacked = Features(tuple(part for part, _ in own)).joined(graph)
    rows = _split(graph, graph.reshape(stacked.tensor, -1, stacked.width), networks, axis=0)
    added: Any = bias if total is None else _split(graph, total, networks, axis=1)
    kernels = np.concatenate([w for _, w in own], axis=1)
    return tuple(
        graph.add("Gemm", tensor, graph.constant(w, "weight"), b)
        for tensor, w, b in zip(rows, kernels, added, strict=True)
    )


def _products_of_all(graph: Graph, features: Features, W: Float64, bias: Float64) -> str:
    """The products of all networks with features that are the same for all, (n, networks * units)."""
    tensors: list[str] = []
    weights: list[Float64] = []
    total, start = None, 0
    for part in features.parts:
        of_part = W[:, start : start + part.width]
        start += part.width
        if isinstance(part, Plain):
            # They are multiplied in one product, below.
            tensors.append(part.tensor)
            weights.append(wide(of_part if part.identity else part.matrix @ of_part))
        else:
            product, bias = part.product(graph, of_part, bias)
            total = product if total is None else graph.add("Add", total, product)
    if not tensors:
        if total is None:
            raise UnsupportedError("a layer of no features")
        return str(graph.add("Add", total, bias.reshape(-1))) if bias.any() else total
    x = side_by_side(graph, tensors)
    if total is None:
        return str(graph.add("Add", graph.matmul(x, np.concatenate(weights)), bias.reshape(-1)))
    if bias.any():
        total = graph.add("Add", total, bias.reshape(-1))
    return str(graph.add("Gemm", x, graph.constant(np.concatenate(weights), "weight"), total))


def _ready(graph: Graph, features: Features, networks: int, units: int) -> Features:
    return Features(tuple(part.ready(graph, networks, units) for part in features.parts))


def _split(graph: Graph, tensor: str, networks: int, axis: int) -> tuple[str, ...]:
    """Equal parts of a tensor."""
    if networks == 1:
        return (tensor,)
    return tuple(graph.add("Split", tensor, n_outputs=networks, axis=axis))


def side_by_side(graph: Graph, tensors: Sequence[str]) -> str:
    """The inverse of :func:`_split` by columns."""
    joined: str = tensors[0] if len(tensors) == 1 else graph.add("Concat", *tensors, axis=1)
    return joined


def _activate(graph: Graph, activation: str | None, x: str, share: Float64 | None) -> str:
    """Apply an activation; for ``parametric_mish``, ``share`` is the share of mish in each unit, float64 (units,)."""
    if share is None:
        return activated(graph, activation, x)
    change = graph.add("Mul", graph.add("Sub", mish(graph, x), x), share)
    output: str = graph.add("Add", x, change)
    return output


def members(graph: Graph, layer: Any, features: Features) -> PerNetwork:
    """:class:`MemberScale`: each row is repeated for each member, times the member's scale."""
    scale = np.asarray(layer.get_weights()[0], np.float64)[:, :, 0]
    networks, count, _ = scale.shape
    parts, start = [], 0
    for part in features.parts:
        plain = part.plain(graph)
        factor = scale[:, None, :, start : start + plain.width]
        # (networks or 1, n, 1, width) times (networks, 1, members, width).
        x = graph.add("Unsqueeze", plain.tensor, np.array([1 if plain.networks == 1 else 2], np.int64))
        parts.append(graph.add("Mul", x, factor))
        start += plain.width
    tensor = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=-1)
    rows = graph.reshape(tensor, -1, features.width)
    return PerNetwork(_split(graph, rows, networks, axis=0), features.width, count)
