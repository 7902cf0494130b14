"""Piecewise-linear embeddings of numeric columns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

# Runtimes round the last bit of a scaled value differently; narrower bins would make that visible.
_MIN_BIN = 0.002
# Quantiles of this many rows are accurate enough for bins.
_MAX_ROWS = 200_000


@keras.saving.register_keras_serializable(package="trueline")
class PiecewiseLinearEmbedding(keras.layers.Layer):
    """Embed each column by a piecewise-linear function of it, which each network learns for itself.

    Each column's range is cut at its quantiles; bin ``i`` says how far through it the value lies, in [0, 1]. The
    first bin is unbounded below, the last one above. ``embedding = x * w0 + b0 + bins @ W``, ``W`` starting at 0
    (Gorishniy et al. 2022, "On Embeddings for Numerical Features"; the version of TabM, 2024).

    **Shape**: float32 (n_networks or 1, n_samples, n_columns) -> float32 (n_networks, n_samples, n_columns * dim).

    Args:
        networks: number of networks.
        edges: ascending bin edges of each column, at least two distinct edges for each.
        dim: width of one column's embedding. Defaults to 8.
        activation: a Keras name. Defaults to None.
    """

    def __init__(
        self,
        networks: int,
        edges: Sequence[Sequence[float]],
        dim: int = 8,
        activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for column in edges:
            if len(column) < 2 or any(b <= a for a, b in itertools.pairwise(column)):
                raise ValueError(f"Expected at least two ascending edges in each column. Received: {list(column)[:5]}.")
        self.networks = int(networks)
        self.edges = [[float(v) for v in column] for column in edges]
        self.dim = int(dim)
        self.activation = activation

    @classmethod
    def adapted(
        cls,
        networks: int,
        Z: npt.NDArray[np.float32],
        n_bins: int,
        known_edges: Mapping[int, Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The layer with its edges at the quantiles of training rows.

        Args:
            networks: number of networks.
            Z: the scaled rows, float32 (n_samples, n_columns).
            n_bins: largest number of bins of a column.
            known_edges: edges of the columns that have them already, by column. Defaults to none.
            kwargs: other arguments of the class.
        """
        Z = Z[:: -(-len(Z) // _MAX_ROWS)]
        edges = []
        for j, column in enumerate(Z.T):
            if known_edges and j in known_edges:
                edges.append(list(known_edges[j]))
                continue
            own_edges = [float(column.min())]
            for edge in np.quantile(column, np.linspace(0, 1, n_bins + 1)[1:]).astype(np.float32):
                if edge - own_edges[-1] >= _MIN_BIN:
                    own_edges.append(float(edge))
            # A column that is constant here still needs one bin.
            edges.append(own_edges if len(own_edges) > 1 else [own_edges[0], own_edges[0] + 1.0])
        return cls(networks, edges, **kwargs)

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        n_columns, width = len(self.edges), max(len(column) for column in self.edges) - 1
        self._low = np.zeros((n_columns, width), np.float32)
        self._inverse = np.zeros((n_columns, width), np.float32)
        self._floor = np.zeros((n_columns, width), np.float32)
        self._ceiling = np.ones((n_columns, width), np.float32)
        for j, column in enumerate(self.edges):
            n_bins = len(column) - 1
            self._low[j, :n_bins] = column[:-1]
            # A column with fewer bins than others is padded with bins that stay 0: their inverse width is 0.
            self._inverse[j, :n_bins] = 1.0 / np.diff(np.asarray(column, np.float64))
            self._floor[j, 0], self._ceiling[j, n_bins - 1] = -10.0, 10.0
        uniform = keras.initializers.RandomUniform(-1.0, 1.0)
        shape = (self.networks, n_columns, width, self.dim)
        self._bins = self.add_weight(name="bins", shape=shape, initializer="zeros")
        shape = (self.networks, 1, n_columns, self.dim)
        self._slope = self.add_weight(name="slope", shape=shape, initializer=uniform)
        self._bias = self.add_weight(name="bias", shape=shape, initializer=uniform)

    def call(self, inputs: Any) -> Any:
        x = ops.expand_dims(inputs, -1)
        bins = ops.clip((x - self._low) * self._inverse, self._floor, self._ceiling)
        # For each column a small matrix product:
        # (networks, n_columns, n_samples, width) @ (networks, n_columns, width, dim).
        embedded = ops.transpose(ops.matmul(ops.transpose(bins, (0, 2, 1, 3)), self._bins), (0, 2, 1, 3))
        embedded = embedded + x * self._slope + self._bias
        if self.activation is not None:
            embedded = keras.activations.get(self.activation)(embedded)
        return ops.reshape(embedded, (self.networks, -1, len(self.edges) * self.dim))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.networks, input_shape[1], len(self.edges) * self.dim)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(networks=self.networks, edges=self.edges, dim=self.dim, activation=self.activation)
        return config
