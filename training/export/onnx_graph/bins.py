"""The bins of piecewise-linear embeddings: as features side by side, or in one product for each column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from training.export.onnx_graph.activations import activated
from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.parts import NODE, Float64, Plain

# Cost of calling a product of a few rows, beside its weights; its unit is the cost of one weight.
_CALL = 1_000
_ENDLESS = 1e30
# The most weights of a product that only copies columns to their bins.
_SPREAD_OUT = 16_000


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of each column, and the matrix that embeds them.

    Slope and bias are two further bins: one without bounds, and one that is always 1.

    Attributes:
        tensor: (n, columns), the same for every network.
        low, inverse, floor, ceiling: bounds and factors of each column's bins, float64 (columns, bins).
        kernel: embedding of each bin, float64 (networks, columns, bins, dim).
    """

    tensor: str
    low: Float64
    inverse: Float64
    floor: Float64
    ceiling: Float64
    kernel: Float64

    @classmethod
    def of(cls, layer: Any, tensor: str, factor: Float64) -> Self:
        """The bins of a layer on ``tensor * factor``."""
        bins, slope, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
        one = np.ones((len(factor), 1))
        factor = factor[:, None]
        return cls(
            tensor,
            low=np.hstack([layer._low / factor, 0 * one, 0 * one]),
            inverse=np.hstack([layer._inverse * factor, factor, 0 * one]),
            floor=np.hstack([layer._floor, -_ENDLESS * one, one]),
            ceiling=np.hstack([layer._ceiling, _ENDLESS * one, one]),
            kernel=np.concatenate([bins, slope.transpose(0, 2, 1, 3), bias.transpose(0, 2, 1, 3)], axis=2),
        )

    @property
    def networks(self) -> int:
        return len(self.kernel)

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def width(self) -> int:
        return int(self.kernel.shape[1] * self.kernel.shape[3])

    def ready(self, graph: Graph, networks: int, units: int) -> Plain:
        _, columns, bins, _ = self.kernel.shape
        composed = networks * columns * bins * units
        separate = min(self._block(), self._by_column()) + networks * self.width * units + NODE
        if networks > 1:
            # Rows of several networks are stacked and cut, and each network has a product and an activation of its own.
            separate += 4 * networks * NODE
        if composed > separate:
            return self.plain(graph)
        return self._flat(graph)

    def product(self, graph: Graph, W: Float64, bias: Float64) -> tuple[str, Float64]:
        return self._flat(graph).product(graph, W, bias)

    def plain(self, graph: Graph) -> Plain:
        return self.activated(graph, None)

    def scaled(self, factor: Float64) -> Bins:
        _, columns, _, dim = self.kernel.shape
        by_column = np.broadcast_to(factor, (len(factor), columns * dim)).reshape(len(factor), columns, 1, dim)
        return replace(self, kernel=self.kernel * by_column)

    def cut(self, start: int, stop: int) -> Bins:
        if (start, stop) != (0, self.width):
            raise UnsupportedError("some columns of an embedding")
        return self

    def activated(self, graph: Graph, activation: str | None) -> Plain:
        """The embedding, through an activation, as a tensor."""
        networks, columns, bins, dim = self.kernel.shape
        if self._block() <= self._by_column():
            flat = self._flat(graph).plain(graph)
            return replace(flat, tensor=activated(graph, activation, flat.tensor))
        # One product for each column, for all networks together: (columns, n, bins) @ (columns, bins, networks * dim).
        x = graph.add("Unsqueeze", graph.add("Transpose", self.tensor, perm=[1, 0]), np.array([2], np.int64))
        filled = self._filled(graph, x, column_axis=0)
        weights = self.kernel.transpose(1, 2, 0, 3).reshape(columns, bins, networks * dim)
        embedded = graph.add("MatMul", filled, graph.constant(weights, "embedding"))
        embedded = activated(graph, activation, embedded)
        if networks == 1:
            embedded = graph.add("Transpose", embedded, perm=[1, 0, 2])
            return Plain.of(graph.reshape(embedded, -1, columns * dim), 1, self.width)
        embedded = graph.reshape(embedded, columns, -1, networks, dim)
        embedded = graph.add("Transpose", embedded, perm=[2, 1, 0, 3])
        return Plain.of(graph.reshape(embedded, networks, -1, columns * dim), networks, self.width)

    def _block(self) -> int:
        """The cost of one product of all columns, in weights."""
        networks, columns, bins, _ = self.kernel.shape
        return int(networks * columns * bins * self.width)

    def _by_column(self) -> int:
        """The cost of one product for each column: two or three more operations, and a call for each column."""
        return int(self.kernel.size + self.kernel.shape[1] * _CALL + (3 if self.networks == 1 else 4) * NODE)

    def _flat(self, graph: Graph) -> Plain:
        """The bins side by side, (n, columns * bins), with the matrix that embeds them."""
        columns, bins = self.low.shape
        if not graph.exact and columns * self.low.size <= _SPREAD_OUT:
            # One product gives each bin its scaled column. So subtraction comes after scaling here, and rounding errors
            # are larger.
            slopes = np.zeros((columns, columns, bins))
            slopes[np.arange(columns), np.arange(columns)] = self.inverse
            offsets = graph.matmul(self.tensor, slopes.reshape(columns, -1), "embedding")
            offsets = graph.add("Add", offsets, -(self.low * self.inverse).reshape(-1))
            bounded = graph.add("Max", offsets, self.floor.reshape(-1))
            return Plain(graph.add("Min", bounded, self.ceiling.reshape(-1)), 1, self._matrix())
        x = graph.add("Unsqueeze", self.tensor, np.array([2], np.int64))
        filled = graph.reshape(self._filled(graph, x, column_axis=1), -1, columns * bins)
        return Plain(filled, 1, self._matrix())

    def _matrix(self) -> Float64:
        networks, columns, bins, dim = self.kernel.shape
        matrix = np.zeros((networks, columns * bins, columns * dim))
        for j in range(columns):
            matrix[:, j * bins : (j + 1) * bins, j * dim : (j + 1) * dim] = self.kernel[:, j]
        return matrix

    def _filled(self, graph: Graph, x: str, column_axis: int) -> str:
        """The share of each bin that lies below each value; x is (n, columns, 1) or (columns, n, 1)."""
        low, inverse, floor, ceiling = (
            values[:, None] if column_axis == 0 else values
            for values in (self.low, self.inverse, self.floor, self.ceiling)
        )
        shares = graph.add("Mul", graph.add("Sub", x, low), inverse)
        bounded: str = graph.add("Min", graph.add("Max", shares, floor), ceiling)
        return bounded
