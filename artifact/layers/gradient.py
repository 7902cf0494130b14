"""A stop for gradients, as a layer that can be saved."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trueline")
class StopGradient(keras.layers.Layer):
    """Identity whose gradient is 0. **Shape**: any -> the same."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.stop_gradient(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
