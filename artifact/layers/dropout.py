"""Dropout for several networks side by side, with masks that are cheap to draw in each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from artifact.layers.numbers import are_consecutive, config_of, numbers_of

# Shifts and odd factors that make each bit of a word depend on all others (lowbias32, Wellons 2018).
_MIXING = ((16, np.uint32(0x7FEB352D)), (15, np.uint32(0x846CA68B)))
_LAST_SHIFT = 16
_BYTES = 4


@keras.saving.register_keras_serializable(package="trueline")
class StackedDropout(keras.layers.Layer):
    """Dropout at each network's own rate, during training only (Srivastava et al. 2014).

    A random byte decides whether a unit is dropped, so rates are rounded to the nearest 256th; no rate above 0 becomes
    0. The bytes are a hash of their place and of the step's seed. Numbers from Philox would take a third of a training
    step, and XLA would compute them again wherever a mask is used.

    **Shape**: (n_networks, n_samples, width) -> the same.

    Args:
        rates: rate of each network, in [0, 1).
        seed: seed of the draws. Defaults to None.
        first: number of the layer's first network among all networks that share the seed. Defaults to 0.
        numbers: number of each network of the layer among all that share the seed. Defaults to those from ``first`` on.
    """

    def __init__(
        self,
        rates: Sequence[float],
        seed: int | None = None,
        first: int = 0,
        numbers: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not all(0 <= rate < 1 for rate in rates):
            raise ValueError(f"Expected 'rates' in [0, 1). Received: rates={list(rates)}.")
        self.rates = [float(rate) for rate in rates]
        self.seed = seed
        self.numbers = numbers_of(len(self.rates), first, numbers)
        self._generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not any(self.rates):
            return inputs
        limits = _limits(self.rates)
        shape = (len(self.rates), ops.shape(inputs)[1], inputs.shape[2])
        mask = random_bytes(*shape, self._generator, self.numbers) >= limits
        # Cast to the inputs' type, because JAX would widen 16 bits to the 32 bits of the factors.
        factors = (256.0 / (256.0 - limits)).astype(np.float32)
        return ops.where(mask, inputs * ops.cast(factors, inputs.dtype), 0.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(rates=self.rates, seed=self.seed, **config_of(self.numbers))
        return config


def random_bytes(
    n_networks: int,
    n_samples: Any,
    width: int,
    generator: keras.random.SeedGenerator,
    numbers: Sequence[int] | None = None,
) -> Any:
    """Independent bytes, uint8 (n_networks, n_samples, width), different ones at each call.

    Args:
        n_networks, n_samples, width: the shape; ``n_samples`` may be a tensor.
        generator: gives the seed of the call.
        numbers: number of each network. It alone decides the network's bytes, whatever other networks there are.
            Defaults to 0, 1 and so on.
    """
    n_words = -(-width // _BYTES)
    n_each = n_samples * n_words
    numbers = range(n_networks) if numbers is None else numbers
    if are_consecutive(numbers):
        places = ops.arange(numbers[0] * n_each, (numbers[0] + n_networks) * n_each)
    else:
        places = ops.reshape(np.asarray(numbers, np.int32), (-1, 1)) * n_each + ops.arange(n_each, dtype="int32")
    place = ops.reshape(ops.cast(places, "uint32"), (n_networks, -1, n_words))
    seed, call = ops.unstack(ops.cast(generator.next(), "uint32"), num=2)
    start = _mix(_mix(seed) + call)
    # The stride is odd, so that no word comes twice. It differs from call to call, so that no call repeats the words of
    # another.
    stride = ops.bitwise_or(_mix(start), np.uint32(1))
    return ops.view(_mix(start + place * stride), dtype="uint8")[:, :, :width]


def _mix(words: Any) -> Any:
    for shift, factor in _MIXING:
        words = ops.bitwise_xor(words, ops.right_shift(words, np.uint32(shift))) * factor
    return ops.bitwise_xor(words, ops.right_shift(words, np.uint32(_LAST_SHIFT)))


def _limits(rates: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Bytes below these are dropped, (n_networks, 1, 1)."""
    nearest = np.round(np.asarray(rates) * 256)
    return np.where(np.asarray(rates) > 0, np.clip(nearest, 1, 255), 0).astype(np.uint8)[:, None, None]
