"""Compiled calls on JAX: an executable of XLA for each bucket, compiled ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from artifact.errors import DataError
from artifact.runtimes.base import Arrays, Call, Device


class Jax:
    """JAX on one device.

    Args:
        device: see :class:`KerasRuntime`.

    Raises:
        DataError: ``cuda`` was asked for where there is none.
    """

    def __init__(self, device: Device) -> None:
        import jax

        gpus = [] if device == "cpu" else [d for d in jax.devices() if d.platform == "gpu"]
        if device == "cuda" and not gpus:
            raise DataError(
                "Expected JAX with a GPU for device 'cuda'. Received: none; look at the driver, or install jax[cuda12]."
            )
        self.device = "cuda" if gpus else "cpu"
        self._device = gpus[0] if gpus else jax.devices("cpu")[0]
        self._weights: Any = None

    def load(self, build: Callable[[], Any]) -> Any:
        import jax

        with jax.default_device(self._device):
            model = build()
        variables = (model.trainable_variables, model.non_trainable_variables)
        # The weights are committed to the device, so that calls compiled for them run there. All buckets share the
        # weights.
        self._weights = jax.device_put([[v.value for v in part] for part in variables], self._device)
        return model

    def compile_for(self, model: Any, widths: Mapping[str, tuple[int, str]], rows: int) -> Call:
        """Compile the network for exactly ``rows`` rows."""
        import jax

        weights = self._weights

        def forward(weights: Any, feed: Any) -> Any:
            answer, _ = model.stateless_call(*weights, feed, training=False)
            return dict(answer)

        shapes = {name: np.zeros((rows, width), dtype) for name, (width, dtype) in widths.items()}
        # By default a GPU keeps 10 of 23 bits of each factor: an error of 5e-4, above the tolerance.
        with jax.default_matmul_precision("highest"):
            executable = jax.jit(forward).lower(weights, shapes).compile()

        def call(feed: Arrays) -> Arrays:
            return {name: np.asarray(array) for name, array in executable(weights, dict(feed)).items()}

        return call
