"""In which precision the products of a training step are computed; everything else keeps the whole of float32.

Weights, optimiser, inputs, embeddings, heads, losses and every answer that measures or is stored are float32, whatever
the steps take. ``tf32`` rounds the factors of a product to 10 bits and adds in float32, as GPUs from compute capability
8.0 on do. ``mixed_bfloat16`` computes the hidden layers and what they hand on in 16 bits, as Keras's policy of that
name does. There is no ``mixed_float16``: its range asks for a scale of the loss, and the first network that overflows
would skip the step of all that train beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from artifact.layers import StackedDense, StackedDropout
from training.devices.devices import Device

# From which on a GPU's units for products take TF32 and bfloat16.
_CAPABILITY = (8, 0)
# Products of weights and rows in one step at which computing them takes longer than handing the step to the GPU:
# decision 18 reckons it.
LARGE_STEP = 5_000_000_000


def precision_of(asked: str, devices: Sequence[Device], products: int) -> str:
    """The precision to train in: ``float32``, ``tf32`` or ``mixed_bfloat16``.

    Args:
        asked: the setting; ``auto`` takes ``mixed_bfloat16`` where it pays, else ``tf32``, on GPUs that have them.
            ``tf32`` is float32 where the devices do not have it.
        devices: that compute.
        products: of weights and rows in one step.
    """
    has_units = bool(devices) and all(d.is_gpu and (d.capability or (0, 0)) >= _CAPABILITY for d in devices)
    if asked == "auto":
        asked = "mixed_bfloat16" if has_units and products >= LARGE_STEP else "tf32"
    return "float32" if asked == "tf32" and not has_units else asked


@contextlib.contextmanager
def layers_in(core: Any, precision: str) -> Iterator[None]:
    """While a step is traced: let the hidden layers compute in 16 bits where the precision says so.

    The layers are changed and not made anew, so that the model that is saved has never been another than float32.
    """
    wide = [layer for layer in core.layers if isinstance(layer, StackedDense | StackedDropout)]
    if precision != "mixed_bfloat16":
        wide = []
    before = [layer.dtype_policy for layer in wide]
    for layer in wide:
        layer.dtype_policy = keras.dtype_policies.DTypePolicy(precision)
    try:
        yield
    finally:
        for layer, policy in zip(wide, before, strict=True):
            layer.dtype_policy = policy


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """While steps are compiled and run: let float32 products be TF32, unless whole float32 was asked for."""
    if precision == "float32":
        yield
    elif keras.backend.backend() == "jax":
        import jax

        with jax.default_matmul_precision("tensorfloat32"):
            yield
    else:
        import tensorflow as tf

        switch = tf.config.experimental.enable_tensor_float_32_execution
        before = tf.config.experimental.tensor_float_32_execution_enabled()
        switch(True)
        try:
            yield
        finally:
            switch(before)
