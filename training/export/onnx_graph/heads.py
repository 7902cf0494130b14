"""Linear heads; they are computed later, when it is known how their answers are used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.hidden import Layer, PerNetwork, SideBySide, blocks, blocks_pay, products, side_by_side
from training.export.onnx_graph.parts import Features, Float64


@dataclass(frozen=True, slots=True)
class Heads:
    """Linear heads of each member of each network, not computed yet.

    Attributes:
        source: the inputs of the heads.
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
        """Number of answers to one row."""
        return int(self.kernel.shape[0] * self.kernel.shape[1])

    @property
    def units(self) -> int:
        return int(self.kernel.shape[-1])

    def scaled(self, factor: Float64, shift: Float64) -> Heads:
        """The heads with answers times ``factor`` plus ``shift``, float64 (units,) each."""
        return replace(self, kernel=self.kernel * factor, bias=self.bias * factor + shift)

    def joined_with(self, other: Heads) -> Heads:
        """One head for two with the same inputs."""
        kernel = np.concatenate([self.kernel, other.kernel], axis=-1)
        return Heads(self.source, kernel, np.concatenate([self.bias, other.bias], axis=-1))

    def computed(self, graph: Graph) -> str:
        """The answers, (n, networks * members * units)."""
        networks, count, width, units = self.kernel.shape
        source = self.source
        # This saves a product for each network but one.
        if not isinstance(source, Features) and count == 1 and blocks_pay(self.kernel[:, 0], networks - 1):
            tensor = source.tensor if isinstance(source, SideBySide) else side_by_side(graph, source.tensors)
            product = graph.matmul(tensor, blocks(self.kernel[:, 0]), "head")
            return str(graph.add("Add", product, self.bias.reshape(-1)))
        if isinstance(source, SideBySide):
            source = source.split(graph)
        # The members of one row follow one another, so one product of a few blocks computes the heads of all members.
        heads = np.stack([blocks(of_network) for of_network in self.kernel])
        if isinstance(source, PerNetwork) and count > 1:
            by_row = tuple(graph.reshape(tensor, -1, count * width) for tensor in source.tensors)
            source = PerNetwork(by_row, count * width)
        elif count > 1:
            raise UnsupportedError("heads for members, on features without members")
        outputs = products(graph, source, heads, self.bias.reshape(networks, count * units))
        return side_by_side(graph, outputs)
