"""Periodic embeddings of numeric columns, and the scale before them in RealMLP."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="trueline")
class PeriodicEmbedding(keras.layers.Layer):
    """PBLD: embed each column by cosines of learned frequencies and a small linear layer, beside the column itself.

    For each column of each network it is ``concat(x, cos(2 pi (x w1 + b1)) @ W2 + b2)`` (Holzmueller et al. 2024,
    "Better by Default": PBLD embeddings of RealMLP).

    **Shape**: float32 (n_networks or 1, n_samples, n_columns) -> float32 (n_networks, n_samples, n_columns * dim).

    Args:
        networks: number of networks.
        frequencies: number of cosines of one column. Defaults to 16.
        dim: width of one column's embedding, the column itself included. Defaults to 4.
        stddev: standard deviation of the frequencies' draw. Defaults to 0.1.
    """

    def __init__(self, networks: int, frequencies: int = 16, dim: int = 4, stddev: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if dim < 2:
            raise ValueError(f"Expected 'dim' of at least 2. Received: dim={dim}.")
        self.networks = int(networks)
        self.frequencies = int(frequencies)
        self.dim = int(dim)
        self.stddev = float(stddev)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._columns = int(input_shape[-1] or 0)
        lead = (self.networks, self._columns)
        normal = keras.initializers.RandomNormal(stddev=self.stddev)
        phase = keras.initializers.RandomUniform(-math.pi, math.pi)
        limit = self.frequencies**-0.5
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self._frequency = self.add_weight(name="frequency", shape=(*lead, 1, self.frequencies), initializer=normal)
        self._phase = self.add_weight(name="phase", shape=(*lead, 1, self.frequencies), initializer=phase)
        self._kernel = self.add_weight(
            name="embedding_kernel", shape=(*lead, self.frequencies, self.dim - 1), initializer=uniform
        )
        self._bias = self.add_weight(name="embedding_bias", shape=(*lead, 1, self.dim - 1), initializer=uniform)

    def call(self, inputs: Any) -> Any:
        # (networks, n_columns, n_samples, 1)
        x = ops.expand_dims(ops.transpose(inputs, (0, 2, 1)), -1)
        waves = ops.cos(2 * math.pi * x * self._frequency + self._phase)
        embedding = ops.matmul(waves, self._kernel) + self._bias
        x = x + ops.zeros((self.networks, 1, 1, 1), dtype=x.dtype)
        columns = ops.transpose(ops.concatenate([x, embedding], axis=-1), (0, 2, 1, 3))
        return ops.reshape(columns, (self.networks, -1, self._columns * self.dim))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.networks, input_shape[1], int(input_shape[-1] or 0) * self.dim)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(networks=self.networks, frequencies=self.frequencies, dim=self.dim, stddev=self.stddev)
        return config


@keras.saving.register_keras_serializable(package="trueline")
class DiagonalScale(keras.layers.Layer):
    """A learned factor for each column of each network, starting at 1: a soft selection of features.

    **Shape**: float32 (n_networks or 1, n_samples, n_columns) -> float32 (n_networks, n_samples, n_columns).

    Args:
        networks: number of networks.
    """

    def __init__(self, networks: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.networks = int(networks)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._factor = self.add_weight(
            name="factor", shape=(self.networks, 1, int(input_shape[-1] or 0)), initializer="ones"
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self._factor

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.networks, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config["networks"] = self.networks
        return config
