"""From the standardised answers of all networks and members to one answer in the target's unit, inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

# Spreads are kept within e^-7 and e^4 standard deviations: an answer needs a width that is above 0 and finite.
_LOG_SPREAD = (-7.0, 4.0)


@keras.saving.register_keras_serializable(package="trueline")
class TargetScaling(keras.layers.Layer):
    """Average over networks and members, undo the standardisation of the target, and split off the spread.

    **Shape**: float32 (n_networks * n_members, n_samples, 2 * n_targets), standardised values then log spreads ->
    ``{"value", "spread"}``, each float32 (n_samples, n_targets) in the target's unit, its offset not yet added.

    Args:
        mean, std: of each target over the training rows, its offset subtracted, (n_targets,).
        minimum, maximum: values are kept within these, (n_targets,), offset subtracted; None for no bounds.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        minimum: Sequence[float] | None = None,
        maximum: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mean = [float(v) for v in mean]
        self.std = [float(v) for v in std]
        self.minimum = None if minimum is None else [float(v) for v in minimum]
        self.maximum = None if maximum is None else [float(v) for v in maximum]

    def call(self, inputs: Any) -> dict[str, Any]:
        n_targets = len(self.mean)
        std = np.asarray(self.std, np.float32)
        value = ops.mean(inputs[:, :, :n_targets], axis=0) * std + np.asarray(self.mean, np.float32)
        if self.minimum is not None and self.maximum is not None:
            value = ops.clip(value, np.asarray(self.minimum, np.float32), np.asarray(self.maximum, np.float32))
        spread = ops.mean(ops.exp(ops.clip(inputs[:, :, n_targets:], *_LOG_SPREAD)), axis=0) * std
        return {"value": value, "spread": spread}

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
        shape = (input_shape[1], len(self.mean))
        return {"value": shape, "spread": shape}

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(mean=self.mean, std=self.std, minimum=self.minimum, maximum=self.maximum)
        return config
