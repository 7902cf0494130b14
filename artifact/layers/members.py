"""Members of a network: they share its weights, and each has its own scale before it and head behind it (TabM-mini).

Gorishniy et al. 2024, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="trueline")
class MemberScale(keras.layers.Layer):
    """Gives each member of a network its own view of the features: ``x * r``, with a row of ``r`` for each member.

    **Shape**: (n_networks or 1, n_samples, width) -> (n_networks, n_members * n_samples, width).

    Args:
        networks: number of networks.
        members: number of members of each network.
        widths: columns of each feature's embedding; all columns of a feature start with the same draw.
        draw: ``normal`` or ``sign``. Defaults to ``normal``, which the paper takes where features are embedded.
    """

    def __init__(self, networks: int, members: int, widths: Sequence[int], draw: str = "normal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if draw not in ("normal", "sign"):
            raise ValueError(f"Expected 'draw' to be 'normal' or 'sign'. Received: draw={draw!r}.")
        self.networks = int(networks)
        self.members = int(members)
        self.widths = [int(w) for w in widths]
        self.draw = draw

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        def initial(shape: tuple[int, ...], dtype: Any = None) -> Any:
            draws = keras.random.normal((*shape[:-1], len(self.widths)), dtype=dtype)
            if self.draw == "sign":
                draws = ops.where(draws < 0, -1.0, 1.0)
            return ops.repeat(draws, np.asarray(self.widths), axis=-1)

        shape = (self.networks, self.members, 1, int(input_shape[-1] or 0))
        self._scale = self.add_weight(name="scale", shape=shape, initializer=initial)

    def call(self, inputs: Any) -> Any:
        scaled = ops.expand_dims(inputs, 1) * self._scale
        return ops.reshape(scaled, (self.networks, -1, sum(self.widths)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.networks, None, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(networks=self.networks, members=self.members, widths=self.widths, draw=self.draw)
        return config


@keras.saving.register_keras_serializable(package="trueline")
class StackedHeads(keras.layers.Layer):
    """The heads: a linear layer of its own for each member of each network.

    **Shape**: (n_networks, n_members * n_samples, width) -> (n_networks * n_members, n_samples, units).

    Args:
        networks: number of networks.
        members: number of members of each network.
        units: outputs of a head.
        stddev: the kernel is drawn with this standard deviation times ``1 / sqrt(width)``; with 0 it starts at 0.
            Defaults to 0.7.
        ntk: see :class:`StackedDense`.
    """

    def __init__(
        self, networks: int, members: int, units: int, stddev: float = 0.7, ntk: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.networks = int(networks)
        self.members = int(members)
        self.units = int(units)
        self.stddev = float(stddev)
        self.ntk = bool(ntk)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._width = int(input_shape[-1] or 0)
        factor = self._width**-0.5
        self._scale = factor if self.ntk else None
        stddev = self.stddev if self.ntk else self.stddev * factor
        lead = (self.networks, self.members)
        kernel = keras.initializers.RandomNormal(stddev=stddev) if stddev else "zeros"
        self._kernel = self.add_weight(name="kernel", shape=(*lead, self._width, self.units), initializer=kernel)
        self._bias = self.add_weight(name="bias", shape=(*lead, 1, self.units), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        x = ops.reshape(inputs, (self.networks, self.members, -1, self._width))
        x = ops.matmul(x, self._kernel)
        if self._scale is not None:
            x = x * self._scale
        x = x + self._bias
        return ops.reshape(x, (self.networks * self.members, -1, self.units))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:  # noqa: ARG002
        return (self.networks * self.members, None, self.units)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(networks=self.networks, members=self.members, units=self.units, stddev=self.stddev, ntk=self.ntk)
        return config
