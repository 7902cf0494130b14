"""Layers of several networks side by side: each weight has a leading axis of networks, and so has each activation.

Rows come as (n_networks, n_samples, ...), or as (1, n_samples, ...) where every network gets the same ones. A network
may in turn be an ensemble of members that share its weights (Gorishniy et al. 2024, "TabM"); their rows follow one
another: (n_networks, n_members * n_samples, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="trueline")
class StackedDense(keras.layers.Layer):
    """A dense layer of each network.

    **Shape**: (n_networks or 1, n_samples, width) -> (n_networks, n_samples, units).

    Args:
        networks: how many.
        units: width of the output.
        activation: a Keras name, or ``parametric_mish``, which mixes Mish and identity by a learned weight a unit.
            Defaults to None.
        initializer: of the kernel, a Keras name; drawn for each network on its own. Defaults to ``he_normal``.
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
class StackedDropout(keras.layers.Layer):
    """Dropout at a rate of each network's own; while training only (Srivastava et al. 2014).

    **Shape**: (n_networks, n_samples, width) -> the same.

    Args:
        rates: of each network, in [0, 1).
        seed: of the draws. Defaults to None.
    """

    def __init__(self, rates: Sequence[float], seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not all(0 <= rate < 1 for rate in rates):
            raise ValueError(f"Expected 'rates' in [0, 1). Received: rates={list(rates)}.")
        self.rates = [float(rate) for rate in rates]
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not any(self.rates):
            return inputs
        rates = np.asarray(self.rates, np.float32)[:, None, None]
        kept = keras.random.uniform(ops.shape(inputs), seed=self._generator) >= rates
        return ops.where(kept, inputs * (1.0 / (1.0 - rates)), 0.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(rates=self.rates, seed=self.seed)
        return config


@keras.saving.register_keras_serializable(package="trueline")
class JoinFeatures(keras.layers.Layer):
    """Features side by side, those that are the same for every network given to each.

    **Shape**: list of (n_networks or 1, n_samples, width) -> (n_networks, n_samples, sum of the widths).

    Args:
        networks: how many.
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


@keras.saving.register_keras_serializable(package="trueline")
class MemberScale(keras.layers.Layer):
    """Gives each member of a network its own view of the features: ``x * r``, one row of ``r`` a member (TabM-mini).

    **Shape**: (n_networks or 1, n_samples, width) -> (n_networks, n_members * n_samples, width).

    Args:
        networks: how many.
        members: of each network.
        widths: columns of each feature's embedding; all of them start with the feature's one draw.
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
            drawn = keras.random.normal((*shape[:-1], len(self.widths)), dtype=dtype)
            if self.draw == "sign":
                drawn = ops.where(drawn < 0, -1.0, 1.0)
            return ops.repeat(drawn, np.asarray(self.widths), axis=-1)

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
        networks: how many.
        members: of each network.
        units: outputs of a head.
        stddev: of the kernel's draw, times ``1 / sqrt(width)``; 0 starts at 0. Defaults to 0.7.
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


class EachNetwork(keras.initializers.Initializer):
    """Draws each network's kernel as the named initialiser draws one; its fans are one network's.

    Args:
        name: of a Keras initialiser.
    """

    def __init__(self, name: str) -> None:
        self._inner = keras.initializers.get(name)
        self.name = name

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        # An initialiser gives the same draw at each call; a clone of one without a seed takes a new one.
        return ops.stack([self._inner.clone()(shape[1:], dtype=dtype) for _ in range(shape[0])])

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}
