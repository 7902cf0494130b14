"""Categorical codes as columns of 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from artifact.rows.schema import OTHER_CODE


@keras.saving.register_keras_serializable(package="trueline")
class OneHot(keras.layers.Layer):
    """A column for each code of each categorical column, 1 where the row has that code.

    Code 0 is missing, 1 is any category without a code of its own; the categories follow, the most frequent first.
    In a column with more codes than ``most``, the last codes count as 1.

    **Shape**: int32 (n_networks, n_samples, n_categorical) -> float32 (n_networks, n_samples, sum of the widths).

    Args:
        cardinalities: number of codes of each column, the two buckets included.
        most: largest number of columns for the codes of one column, at least 2. Defaults to 200.
    """

    def __init__(self, cardinalities: Sequence[int], most: int = 200, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if most <= OTHER_CODE:
            raise ValueError(f"Expected 'most' of at least {OTHER_CODE + 1}. Received: most={most}.")
        self.cardinalities = [int(c) for c in cardinalities]
        self.most = int(most)
        self.widths = [min(c, self.most) for c in self.cardinalities]

    def call(self, inputs: Any) -> Any:
        codes = ops.cast(inputs, "int32")
        columns = []
        for j, width in enumerate(self.widths):
            code = codes[:, :, j : j + 1]
            code = ops.where(code < width, code, OTHER_CODE)
            columns.append(ops.cast(ops.equal(code, np.arange(width, dtype=np.int32)), "float32"))
        return columns[0] if len(columns) == 1 else ops.concatenate(columns, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], sum(self.widths))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(cardinalities=self.cardinalities, most=self.most)
        return config
