"""Categorical codes: they are looked up in tables that the first layer has been multiplied into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from artifact.rows.schema import OTHER_CODE
from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.parts import Features, Float64, Part, Plain, wide

# The most numbers in a table that the first layer is multiplied into; a larger one would be larger than the network.
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Codes:
    """The input of categorical codes: int32 (n, count)."""

    tensor: str
    count: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings of codes, different for each network.

    Attributes:
        codes: codes of all columns.
        tables: table of each column, (networks, codes, width).
    """

    codes: Codes
    tables: tuple[Float64, ...]

    @classmethod
    def of(cls, layer: Any, codes: Codes) -> Self:
        return cls(codes, tuple(np.asarray(w, np.float64) for w in layer.trainable_weights))

    @property
    def networks(self) -> int:
        return len(self.tables[0])

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def width(self) -> int:
        return sum(table.shape[-1] for table in self.tables)

    def ready(self, graph: Graph, networks: int, units: int) -> Part:
        rows = sum(table.shape[1] for table in self.tables)
        return self if rows * networks * units <= _MOST else self.plain(graph)

    def product(self, graph: Graph, W: Float64, bias: Float64) -> tuple[str, Float64]:
        start, multiplied = 0, []
        for table in self.tables:
            multiplied.append(wide(table @ W[:, start : start + table.shape[-1]]))
            start += table.shape[-1]
        # Every row has exactly one code in the first column, so the bias is added to that table.
        multiplied[0] = multiplied[0] + bias.reshape(-1)
        looked_up = self._looked_up(graph, np.concatenate(multiplied)[None])
        # (n, columns, networks * units): summed over the columns.
        axis = np.array([1], np.int64)
        if len(self.tables) == 1:
            return graph.add("Squeeze", looked_up, axis), np.zeros_like(bias)
        return graph.add("ReduceSum", looked_up, axis, keepdims=0), np.zeros_like(bias)

    def plain(self, graph: Graph) -> Plain:
        widest, columns = max(table.shape[-1] for table in self.tables), len(self.tables)
        filled = [np.pad(table, ((0, 0), (0, 0), (0, widest - table.shape[-1]))) for table in self.tables]
        looked_up = self._looked_up(graph, np.concatenate(filled, axis=1))
        lead = (self.networks,) if self.networks > 1 else ()
        tensor = graph.reshape(looked_up, *lead, -1, columns * widest)
        columns_used = [j * widest + k for j, table in enumerate(self.tables) for k in range(table.shape[-1])]
        matrix = np.eye(columns * widest)[None, :, columns_used]
        return Plain(tensor, self.networks, matrix, identity=len(columns_used) == columns * widest).plain(graph)

    def scaled(self, factor: Float64) -> Embedded:
        tables, start = [], 0
        for table in self.tables:
            tables.append(table * factor[:, None, start : start + table.shape[-1]])
            start += table.shape[-1]
        return replace(self, tables=tuple(tables))

    def cut(self, start: int, stop: int) -> Embedded:
        if (start, stop) != (0, self.width):
            raise UnsupportedError("some columns of an embedding")
        return self

    def _looked_up(self, graph: Graph, table: Float64) -> str:
        """Look codes up in the tables of all columns, (networks, codes, width) -> (networks, n, columns, width)."""
        codes = self.codes.tensor
        if len(self.tables) > 1:
            first = np.cumsum([0, *(t.shape[1] for t in self.tables[:-1])]).astype(np.int32)
            codes = graph.add("Add", codes, first)
        axis = 1 if len(table) > 1 else 0
        rows: str = graph.add("Gather", graph.constant(table if axis else table[0], "table"), codes, axis=axis)
        return rows


def one_hot(graph: Graph, layer: Any, codes: Codes) -> Features:  # noqa: ARG001 - the layers share a signature
    """:class:`OneHot` as a table; rare codes and the bucket for others have the same row."""
    tables = []
    for cardinality, width in zip(layer.cardinalities, layer.widths, strict=True):
        rows = np.arange(cardinality)
        tables.append(np.eye(width)[np.where(rows < width, rows, OTHER_CODE)][None])
    return Features((Embedded(codes, tuple(tables)),))
