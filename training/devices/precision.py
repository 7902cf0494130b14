"""The precision of the products in a training step; everything else has the full precision of float32.

Weights, optimiser, inputs, embeddings, heads, losses and every answer that measures or is stored are float32 in each
precision. ``tf32`` rounds the factors of a product to 10 bits and adds in float32, as GPUs from compute capability 8.0
on do. ``mixed_bfloat16`` computes the hidden layers and their outputs in 16 bits, as Keras's policy of that name does.
There is no ``mixed_float16``: its range would need a scaled loss, and when one network overflows, all networks that
train beside it would skip the step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from artifact.layers import StackedDense, StackedDropout
from training.devices.devices import Device

# From this compute capability on, a GPU's units for products take TF32 and bfloat16.
_CAPABILITY = (8, 0)
# From this many products of weights and rows in one step on, computing them takes longer than launching the step on the
# GPU; see decision 18.
LARGE_STEP = 5_000_000_000


def precision_of(setting: str, devices: Sequence[Device], products: int) -> str:
    """The precision to train in: ``float32``, ``tf32`` or ``mixed_bfloat16``.

    Args:
        setting: the setting ``precision``; ``auto`` takes ``mixed_bfloat16`` where it pays, else ``tf32``, on GPUs that
            have them. ``tf32`` is float32 where the devices do not have it.
        devices: the devices that compute.
        products: number of products of weights and rows in one step.
    """
    has_units = bool(devices) and all(d.is_gpu and (d.capability or (0, 0)) >= _CAPABILITY for d in devices)
    if setting == "auto":
        setting = "mixed_bfloat16" if has_units and products >= LARGE_STEP else "tf32"
    return "float32" if setting == "tf32" and not has_units else setting


@contextlib.contextmanager
def layers_in(core: Any, precision: str) -> Iterator[None]:
    """Let the hidden layers compute in 16 bits while a step is traced, where the precision says so.

    The layers' policies are changed only meanwhile, so that the saved model is a float32 model.
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
    """Let float32 products be TF32 while steps are compiled and run, unless the precision is ``float32``."""
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
