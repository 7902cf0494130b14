"""Linear heads, which are computed when it is known what becomes of their answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.hidden import Apart, Layer, Together, blocks, blocks_pay, products, side_by_side
from training.export.onnx_graph.parts import Features, Float64


@dataclass(frozen=True, slots=True)
class Heads:
    """Linear heads of each member of each network, not computed yet.

    Attributes:
        source: what they see.
        kernel: (networks, members, width, units).
        bias: (networks, members, units).
    """

    source: Layer
    kernel: Float64
    bias: Float64

    @classmethod
    def of(cls, layer: Any, source: Layer) -> Heads:
        """:class:`StackedHeads`."""
        kernel, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
        if layer._scale is not None:
            kernel = kernel * layer._scale
        return cls(source, kernel, bias[:, :, 0])

    @property
    def count(self) -> int:
        """Of the answers to one row."""
        return int(self.kernel.shape[0] * self.kernel.shape[1])

    @property
    def units(self) -> int:
        return int(self.kernel.shape[-1])

    def scaled(self, factor: Float64, shift: Float64) -> Heads:
        """Answers times a factor plus a shift of each unit, (units,) each."""
        return replace(self, kernel=self.kernel * factor, bias=self.bias * factor + shift)

    def beside(self, other: Heads) -> Heads:
        """One head for two that see the same."""
        kernel = np.concatenate([self.kernel, other.kernel], axis=-1)
        return Heads(self.source, kernel, np.concatenate([self.bias, other.bias], axis=-1))

    def computed(self, graph: Graph) -> str:
        """The answers, (n, networks * members * units)."""
        networks, count, width, units = self.kernel.shape
        source = self.source
        # Saved is a product of each network but one.
        if not isinstance(source, Features) and count == 1 and blocks_pay(self.kernel[:, 0], networks - 1):
            tensor = source.tensor if isinstance(source, Together) else side_by_side(graph, source.tensors)
            product = graph.matmul(tensor, blocks(self.kernel[:, 0]), "head")
            return str(graph.add("Add", product, self.bias.reshape(-1)))
        if isinstance(source, Together):
            source = source.apart(graph)
        # The members of one row lie one after another: a head of them all is one product of few blocks.
        heads = np.stack([blocks(of_network) for of_network in self.kernel])
        if isinstance(source, Apart) and count > 1:
            beside = tuple(graph.reshape(tensor, -1, count * width) for tensor in source.tensors)
            source = Apart(beside, count * width)
        elif count > 1:
            raise UnsupportedError("heads of members without members")
        found = products(graph, source, heads, self.bias.reshape(networks, count * units))
        return side_by_side(graph, found)
