"""A soft bound for columns that must stay small where a row is far from the others."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="trueline")
class SoftBound(keras.layers.Layer):
    """``x / sqrt(1 + (x / 3)^2)``: nearly ``x`` around 0, never beyond 3 (Holzmueller et al. 2024, RealMLP).

    **Shape**: any -> the same.
    """

    def call(self, inputs: Any) -> Any:
        return inputs / ops.sqrt(1.0 + ops.square(inputs / 3.0))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
