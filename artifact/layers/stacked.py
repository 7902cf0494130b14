"""Layers of several networks side by side: each weight has a leading axis of networks, and so has each activation.

Rows come as (n_networks, n_samples, ...), or as (1, n_samples, ...) where every network gets the same ones. A network
may in turn be an ensemble of members that share its weights (Gorishniy et al. 2024, "TabM"); their rows follow one
another: (n_networks, n_members * n_samples, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="trueline")
class StackedDense(keras.layers.Layer):
    """A dense layer for each network.

    **Shape**: (n_networks or 1, n_samples, width) -> (n_networks, n_samples, units).

    Args:
        networks: number of networks.
        units: width of the output.
        activation: a Keras name, or ``parametric_mish``, which mixes Mish and identity by a learned weight for each
            unit. Defaults to None.
        initializer: Keras name of the kernel's initialiser; each network's kernel is drawn by itself. Defaults to
            ``he_normal``.
        ntk: scale the product by ``1 / sqrt(width)`` and draw the kernel from N(0, 1) instead (the neural tangent
            parametrisation of RealMLP, Holzmueller et al. 2024). Defaults to False.
    """

    def __init__(
        self,
        networks: int,
        units: int,
        activation: str | None = None,
        initializer: str = "he_normal",
        ntk: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.networks = int(networks)
        self.units = int(units)
        self.activation = activation
        self.initializer = initializer
        self.ntk = bool(ntk)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = int(input_shape[-1] or 0)
        kernel: Any = keras.initializers.RandomNormal(stddev=1.0) if self.ntk else EachNetwork(self.initializer)
        bias: Any = keras.initializers.RandomNormal(stddev=1.0) if self.ntk else "zeros"
        self._kernel = self.add_weight(name="kernel", shape=(self.networks, width, self.units), initializer=kernel)
        self._bias = self.add_weight(name="bias", shape=(self.networks, 1, self.units), initializer=bias)
        self._mix = None
        if self.activation == "parametric_mish":
            self._mix = self.add_weight(name="mix", shape=(self.networks, 1, self.units), initializer="ones")
        self._scale = width**-0.5 if self.ntk else None

    def call(self, inputs: Any) -> Any:
        x = ops.matmul(inputs, self._kernel)
        if self._scale is not None:
            x = x * self._scale
        x = x + self._bias
        if self._mix is not None:
            return x + self._mix * (keras.activations.mish(x) - x)
        return x if self.activation is None else keras.activations.get(self.activation)(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.networks, input_shape[1], self.units)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(
            networks=self.networks,
            units=self.units,
            activation=self.activation,
            initializer=self.initializer,
            ntk=self.ntk,
        )
        return config


@keras.saving.register_keras_serializable(package="trueline")
class JoinFeatures(keras.layers.Layer):
    """Joins features side by side; features that all networks share are repeated for each.

    **Shape**: list of (n_networks or 1, n_samples, width) -> (n_networks, n_samples, sum of the widths).

    Args:
        networks: number of networks.
    """

    def __init__(self, networks: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.networks = int(networks)

    def call(self, inputs: Sequence[Any]) -> Any:
        lead = (self.networks, 1, 1)
        parts = [x if x.shape[0] == self.networks else x + ops.zeros(lead, dtype=x.dtype) for x in inputs]
        return ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (self.networks, input_shape[0][1], sum(int(shape[-1] or 0) for shape in input_shape))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config["networks"] = self.networks
        return config


class EachNetwork(keras.initializers.Initializer):
    """Draws each network's kernel by the named initialiser, with the fan-in and fan-out of one network.

    Args:
        name: name of a Keras initialiser.
    """

    def __init__(self, name: str) -> None:
        self._inner = keras.initializers.get(name)
        self.name = name

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        # An initialiser gives the same draw at each call; a clone of one without a seed gets a new seed.
        return ops.stack([self._inner.clone()(shape[1:], dtype=dtype) for _ in range(shape[0])])

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}
