"""The network's inputs with their preprocessing adapted to the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.encoding import Encoded
from artifact.layers import CategoryEmbedding, NumericPreprocessing, StopGradient
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from artifact.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a family builds on.

    Attributes:
        tensors: the Keras inputs by name, only those that the schema has columns for.
        scaled: (n_samples, n_numeric) scaled numeric columns, or None.
        flags: (n_samples, n_flags) missing flags, or None.
        embedded: (n_samples, width) embedded categories, or None.
        Z: the scaled numeric columns of the training rows, for layers that adapt to them.
        n_targets: width of the output.
    """

    tensors: dict[str, Any]
    scaled: Any
    flags: Any
    embedded: Any
    Z: npt.NDArray[np.float32]
    n_targets: int

    def joined(self, *numeric: Any) -> Any:
        """All parts side by side; ``numeric`` in place of the scaled columns where given."""
        parts = [*(numeric or (self.scaled,)), self.flags, self.embedded]
        present = [p for p in parts if p is not None]
        return present[0] if len(present) == 1 else keras.layers.Concatenate(name="features")(present)


def build_inputs(schema: FeatureSchema, X: Encoded, n_targets: int, *, squeeze: bool, seed: int) -> Inputs:
    """Make the inputs.

    Args:
        schema: gives the columns.
        X: encoded training rows; medians, ranges and flags are taken from them.
        n_targets: number of targets.
        squeeze: see :class:`NumericPreprocessing`.
        seed: of the layers' random draws.
    """
    tensors: dict[str, Any] = {}
    scaled = flags = embedded = None
    Z = np.zeros((len(X), 0), np.float32)
    n_numeric = len(schema.numeric_columns)
    if n_numeric:
        tensors[NUMERIC_INPUT] = keras.Input((n_numeric,), dtype="float32", name=NUMERIC_INPUT)
        flagged = np.flatnonzero(np.isnan(X.numeric).any(axis=0)).tolist()
        layer = NumericPreprocessing.adapted(X.numeric, flagged, squeeze=squeeze, name="preprocessing")
        prepared = layer(tensors[NUMERIC_INPUT])
        scaled, flags = prepared, None
        if flagged:
            scaled, flags = prepared[:, :n_numeric], prepared[:, n_numeric:]
        Z = np.asarray(keras.ops.convert_to_numpy(layer(X.numeric)))[:, :n_numeric]
    if schema.categorical:
        tensors[CATEGORICAL_INPUT] = keras.Input((len(schema.categorical),), dtype="int32", name=CATEGORICAL_INPUT)
        embedded = CategoryEmbedding(schema.cardinalities, seed=seed, name="categories")(tensors[CATEGORICAL_INPUT])
    return Inputs(tensors, scaled, flags, embedded, Z, n_targets)


def heads(hidden: Any, n_targets: int) -> Any:
    """Value and log spread of each target, (n_samples, 2 * n_targets).

    The spread's gradient stops at the hidden layer: it describes the values' errors and must not bend the values.
    """
    value = keras.layers.Dense(n_targets, name="standardised_value")(hidden)
    spread = keras.layers.Dense(n_targets, kernel_initializer="zeros", name="log_spread")(
        StopGradient(name="stop_gradient")(hidden)
    )
    return keras.layers.Concatenate(name="outputs")([value, spread])
