"""Embeddings of categorical codes with buckets for missing and for anything else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from artifact.layers.numbers import are_consecutive, config_of, numbers_of
from artifact.rows.schema import OTHER_CODE


@keras.saving.register_keras_serializable(package="trueline")
class CategoryEmbedding(keras.layers.Layer):
    """Embed each categorical column and join the embeddings.

    Code 0 is missing, 1 is any category without a code of its own. During training, codes turn into 1 with probability
    ``other_rate``, so that the bucket for unseen categories is trained too.

    **Shape**: int32 (n_networks or 1, n_samples, n_categorical) -> float32 (n_networks, n_samples, sum of the widths).

    Args:
        networks: number of networks side by side, each with tables of its own.
        cardinalities: number of codes of each column, the two buckets included.
        max_dim: widest embedding of one column. Defaults to 32.
        other_rate: share of the codes that turn into 1 during training, in [0, 1). Defaults to 0.01.
        seed: seed of the random replacement. Defaults to None.
        first: number of the layer's first network among all networks that share the seed. Defaults to 0.
        numbers: number of each network of the layer among all that share the seed. Defaults to those from ``first`` on.
    """

    def __init__(
        self,
        networks: int,
        cardinalities: Sequence[int],
        max_dim: int = 32,
        other_rate: float = 0.01,
        seed: int | None = None,
        first: int = 0,
        numbers: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= other_rate < 1:
            raise ValueError(f"Expected 'other_rate' in [0, 1). Received: other_rate={other_rate}.")
        self.networks = int(networks)
        self.cardinalities = [int(c) for c in cardinalities]
        self.max_dim = int(max_dim)
        self.other_rate = float(other_rate)
        self.seed = seed
        self.numbers = numbers_of(self.networks, first, numbers)
        self._generator = keras.random.SeedGenerator(seed)
        self.widths = [embedding_width(c, self.max_dim) for c in self.cardinalities]

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        self._tables = [
            self.add_weight(
                name=f"table_{j}",
                shape=(self.networks, n, width),
                initializer=keras.initializers.RandomNormal(stddev=0.5 / width**0.5),
            )
            for j, (n, width) in enumerate(zip(self.cardinalities, self.widths, strict=True))
        ]

    def call(self, inputs: Any, training: bool = False) -> Any:
        codes = ops.cast(inputs, "int32")
        if training and self.other_rate:
            networks, *rest = ops.shape(codes)
            # Numbers are drawn for all networks that share the seed, and each network takes its own. So its draws do
            # not depend on which other networks are in the layer.
            first, last = self.numbers[0], self.numbers[-1]
            if are_consecutive(self.numbers):
                draw = keras.random.uniform((first + networks, *rest), seed=self._generator)[first:]
            else:
                draw = ops.take(keras.random.uniform((last + 1, *rest), seed=self._generator), self.numbers, axis=0)
            codes = ops.where(draw < self.other_rate, OTHER_CODE, codes)
        start = ops.reshape(ops.arange(self.networks, dtype="int32"), (self.networks, 1))
        embeddings = [
            # One gather over the joined tables of all networks: the second network's codes begin where the first's end.
            ops.take(ops.reshape(table, (-1, width)), codes[:, :, j] + start * n, axis=0)
            for j, (table, n, width) in enumerate(zip(self._tables, self.cardinalities, self.widths, strict=True))
        ]
        return embeddings[0] if len(embeddings) == 1 else ops.concatenate(embeddings, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.networks, input_shape[1], sum(self.widths))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(
            networks=self.networks,
            cardinalities=self.cardinalities,
            max_dim=self.max_dim,
            other_rate=self.other_rate,
            seed=self.seed,
            **config_of(self.numbers),
        )
        return config


def embedding_width(cardinality: int, max_dim: int) -> int:
    """Width for a column of that many codes: the usual 1.6 n^0.56 rule, never wider than one-hot would be."""
    rule = round(1.6 * math.pow(cardinality, 0.56))
    return max(1, min(cardinality, max_dim, rule))
