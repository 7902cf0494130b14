"""Features in the graph: parts side by side, with a linear map that the next product can include."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from training.export.onnx_graph.graph import Graph, UnsupportedError

Float64 = npt.NDArray[np.float64]
# The cost of one more operation, about 0.7 microseconds: a product multiplies by this many weights in that time.
NODE = 4_000


class Part(Protocol):
    """Some features."""

    @property
    def networks(self) -> int:
        """Number of networks with values of their own; 1 where all have the same values."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether :meth:`product` gives all networks' products at once."""
        ...

    @property
    def width(self) -> int:
        """Number of features."""
        ...

    def ready(self, graph: Graph, networks: int, units: int) -> Part:
        """The part in the form from which a layer of these networks and units is computed fastest."""
        ...

    def product(self, graph: Graph, W: Float64, bias: Float64) -> tuple[str, Float64]:
        """The features times ``W``, for a part that all networks share.

        Args:
            graph: the graph to add nodes to.
            W: (networks, width, units).
            bias: (networks, units).

        Returns:
            A tensor (n, networks * units), and the part of ``bias`` that must still be added.
        """
        ...

    def plain(self, graph: Graph) -> Plain:
        """The features as a tensor."""
        ...

    def scaled(self, factor: Float64) -> Part:
        """Times a factor of each feature, (networks or 1, width)."""
        ...

    def cut(self, start: int, stop: int) -> Part:
        """Some of the features."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A tensor whose columns a matrix maps to features.

    Attributes:
        tensor: (n, columns) for 1 network, (networks, n, columns) for several.
        networks: see :class:`Part`.
        matrix: (networks or 1, columns, width), features = columns @ matrix.
        identity: whether the matrix is the identity.
    """

    tensor: str
    networks: int
    matrix: Float64
    identity: bool = False

    @classmethod
    def of(cls, tensor: str, networks: int, width: int) -> Plain:
        return cls(tensor, networks, np.eye(width)[None], identity=True)

    @property
    def is_shared(self) -> bool:
        return self.networks == 1

    @property
    def width(self) -> int:
        return int(self.matrix.shape[-1])

    def ready(self, graph: Graph, networks: int, units: int) -> Plain:
        columns, width = self.matrix.shape[-2:]
        several = max(self.networks, len(self.matrix))
        composed = networks * columns * units
        separate = several * columns * width + networks * width * units + NODE
        # With several networks, each multiplies the rows by its own weights. The map is applied before, only once.
        return self.plain(graph) if several > 1 or composed > separate else self

    def product(self, graph: Graph, W: Float64, bias: Float64) -> tuple[str, Float64]:
        return graph.matmul(self.tensor, wide(W if self.identity else self.matrix @ W)), bias

    def plain(self, graph: Graph) -> Plain:
        if self.identity:
            return self
        matrix = self.matrix[0] if len(self.matrix) == 1 else self.matrix
        features = graph.matmul(self.tensor, matrix, "embedding")
        return Plain.of(features, max(self.networks, len(self.matrix)), self.width)

    def scaled(self, factor: Float64) -> Plain:
        return replace(self, matrix=self.matrix * factor[:, None, :], identity=False)

    def cut(self, start: int, stop: int) -> Plain:
        if (start, stop) == (0, self.width):
            return self
        return replace(self, matrix=self.matrix[:, :, start:stop], identity=False)

    def columns_scaled(self) -> tuple[npt.NDArray[np.int64], Float64] | None:
        """Column and factor of each feature, (width,) each; None unless every feature is one column times a factor."""
        if len(self.matrix) > 1 or (np.count_nonzero(self.matrix[0], axis=0) != 1).any():
            return None
        index = np.abs(self.matrix[0]).argmax(axis=0)
        return index, self.matrix[0][index, np.arange(self.width)]


@dataclass(frozen=True, slots=True)
class Features:
    """Parts side by side."""

    parts: tuple[Part, ...]

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    def scaled(self, factor: Float64) -> Features:
        """Times a factor of each feature, (networks or 1, width)."""
        parts, start = [], 0
        for part in self.parts:
            parts.append(part.scaled(factor[:, start : start + part.width]))
            start += part.width
        return Features(tuple(parts))

    def cut(self, start: int, stop: int) -> Features:
        """Some of the features; a part without any of them is left out."""
        parts, at = [], 0
        for part in self.parts:
            low, high = max(start - at, 0), min(stop - at, part.width)
            if low < high:
                parts.append(part.cut(low, high))
            at += part.width
        return Features(tuple(parts))

    def joined(self, graph: Graph) -> Plain:
        """All parts as one tensor.

        Raises:
            UnsupportedError: some features differ between networks and others do not.
        """
        plain = [part.plain(graph) for part in self.parts]
        if len(plain) == 1:
            return plain[0]
        if len({part.networks for part in plain}) > 1:
            raise UnsupportedError("features of one network beside those of several")
        tensor = graph.add("Concat", *(part.tensor for part in plain), axis=-1)
        return Plain.of(tensor, plain[0].networks, self.width)


def wide(W: Float64) -> Float64:
    """Networks' weights (networks, width, units) side by side: (width, networks * units)."""
    return W.transpose(1, 0, 2).reshape(W.shape[1], -1)
