"""Compiled calls on TensorFlow: a concrete function for each bucket, so that no call is ever traced again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from artifact.errors import DataError
from artifact.runtimes.base import Arrays, Call, Device


class TensorFlow:
    """TensorFlow made ready for serving.

    Args:
        threads: threads inside one call, if TensorFlow has not started in this process yet.
        device: see :class:`KerasRuntime`.

    Raises:
        DataError: ``cuda`` was asked for where there is none.
    """

    def __init__(self, threads: int, device: Device) -> None:
        import tensorflow as tf

        gpus = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
        if device == "cuda" and not gpus:
            raise DataError(
                "Expected TensorFlow with a GPU for device 'cuda'. Received: none; look at the driver, or install "
                "tensorflow[and-cuda]."
            )
        self.device = "cuda" if gpus else "cpu"
        self._scope = "/GPU:0" if gpus else "/CPU:0"
        _set_up(tf, threads, gpus)

    def load(self, build: Callable[[], Any]) -> Any:
        import tensorflow as tf

        with tf.device(self._scope):
            return build()

    def compile_for(self, model: Any, widths: Mapping[str, tuple[int, str]], rows: int) -> Call:
        """Compile the network for exactly ``rows`` rows."""
        import tensorflow as tf

        names = list(widths)

        def forward(*inputs: Any) -> Any:
            with tf.device(self._scope):
                return dict(model(dict(zip(names, inputs, strict=True)), training=False))

        specs = [tf.TensorSpec((rows, width), dtype) for width, dtype in widths.values()]
        function = tf.function(forward, autograph=False).get_concrete_function(*specs)

        def call(feed: Arrays) -> Arrays:
            answers = function(*[tf.constant(feed[name]) for name in names])
            return {name: tensor.numpy() for name, tensor in answers.items()}

        return call


def _set_up(tf: Any, threads: int, gpus: list[Any]) -> None:
    """Set what TensorFlow accepts only before its first operation; a process that trains keeps its settings."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if not gpus:
        # Without this TensorFlow would take memory of a GPU that it must not use.
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
        return
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    # TensorFloat-32 keeps 10 of 23 bits of each factor: an error of 5e-4, above the tolerance.
    tf.config.experimental.enable_tensor_float_32_execution(False)
