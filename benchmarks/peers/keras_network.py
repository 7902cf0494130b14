"""The benchmark's network as a Keras model, with the weights of its ONNX file."""

from __future__ import annotations

import os
from typing import Any

import keras
import onnx
from keras import ops
from onnx import numpy_helper


class Prepare(keras.layers.Layer):  # type: ignore[misc]
    """Fills missing values, scales, and says which were missing: (n, 13) to (n, 26)."""

    def __init__(self, constants: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.constants = constants

    def call(self, x: Any) -> Any:
        c = self.constants
        missing = ops.isnan(x)
        scaled = (ops.where(missing, c["median"], x) - c["centre"]) / c["scale"]
        return ops.concatenate([ops.clip(scaled, -8.0, 8.0), ops.cast(missing, "float32")], axis=1)


def load() -> keras.Model:
    """The network of ``TRUELINE_BENCHMARK_ONNX``: float32 (n, 13) to (n, 1)."""
    graph = onnx.load(os.environ["TRUELINE_BENCHMARK_ONNX"]).graph
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    dense = ("dense0", "dense1", "head")
    inputs = keras.Input((weights["median"].size,))
    x = Prepare(weights)(inputs)
    for name in dense:
        units = weights[f"{name}_b"].size
        x = keras.layers.Dense(units, activation=None if name == "head" else "relu", name=name)(x)
    model = keras.Model(inputs, keras.layers.Rescaling(float(weights["std"][0]))(x))
    for name in dense:
        model.get_layer(name).set_weights([weights[f"{name}_w"], weights[f"{name}_b"]])
    return model
