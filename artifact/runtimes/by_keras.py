"""Keras: a call compiled for each row bucket, on TensorFlow or JAX as ``KERAS_BACKEND`` says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from artifact.errors import ArtifactError, DataError, install_extra
from artifact.runtimes import buckets
from artifact.runtimes.base import (
    CATEGORICAL_INPUT,
    NUMERIC_INPUT,
    QUANTILES_OUTPUT,
    SPREAD_OUTPUT,
    VALUE_OUTPUT,
    Call,
    Device,
    Float32,
    Int32,
    Outputs,
)
from artifact.runtimes.chunks import joined

if TYPE_CHECKING:
    from types import ModuleType


class Backend(Protocol):
    """What a backend's file gives: its machine made ready, and calls compiled for one number of rows.

    ``load`` is called first and builds the model on the device; what it returns goes into ``compiled``.
    """

    device: str

    def load(self, build: Callable[[], Any]) -> Any: ...

    def compiled(self, model: Any, widths: Mapping[str, tuple[int, str]], rows: int) -> Call: ...


class KerasRuntime:
    """``model.keras`` by compiled calls; imports Keras when built, and compiles and warms every bucket.

    No request compiles: rows are filled up to the next bucket of 1, 4, 16, 64, 256, 1024, 4096, and more are cut into
    calls of 4096.

    Args:
        path: ``model.keras``; loaded with ``safe_mode=True``.
        threads: threads inside one call. TensorFlow obeys it if it has not started yet; JAX decides by itself.
            Defaults to 1.
        device: ``cpu``; ``cuda``, which must be there; ``auto``, a GPU where there is one. Defaults to ``cpu``.

    Raises:
        ArtifactError: the file is no such model.
        DataError: Keras or its backend is not installed, or ``cuda`` was asked for where there is none.
    """

    name = "keras"

    def __init__(self, path: Path, *, threads: int = 1, device: Device = "cpu") -> None:
        keras = _import_keras()
        backend = _backend(keras, threads, device)
        self.device = backend.device
        # Registers the layers of saved networks with Keras's deserialiser.
        import artifact.layers  # noqa: F401

        try:
            model = backend.load(lambda: keras.saving.load_model(path, compile=False, safe_mode=True))
        except (ValueError, OSError, TypeError, KeyError) as error:
            raise ArtifactError(f"Expected a Keras model in {path}. Received: {error}.") from error
        # A model that was never called has no output to speak of.
        outputs = getattr(model, "output", None)
        names = sorted(outputs) if isinstance(outputs, dict) else []
        if VALUE_OUTPUT not in names:
            raise ArtifactError(f"Expected an output '{VALUE_OUTPUT}' of {path}. Received: {names}.")
        self._widths = {tensor.name: (int(tensor.shape[1]), str(tensor.dtype)) for tensor in model.inputs}
        self._calls = {rows: backend.compiled(model, self._widths, rows) for rows in buckets.BUCKETS}
        for rows, call in self._calls.items():
            call({name: np.zeros((rows, width), dtype) for name, (width, dtype) in self._widths.items()})

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """Answers whose last bits may depend on the bucket that a row is in."""
        rows = {NUMERIC_INPUT: numeric, CATEGORICAL_INPUT: categorical}
        taken = {name: rows[name] for name in self._widths}
        parts = []
        for start, stop, bucket in buckets.cut(len(numeric)):
            feed = {name: buckets.filled(array[start:stop], bucket) for name, array in taken.items()}
            part = {name: answer[: stop - start] for name, answer in self._calls[bucket](feed).items()}
            parts.append(Outputs(part[VALUE_OUTPUT], part.get(SPREAD_OUTPUT), part.get(QUANTILES_OUTPUT)))
        return joined(parts)

    def computed_rows(self, n_rows: int) -> int:
        return buckets.computed_rows(n_rows)


def prefer_installed_backend() -> None:
    """Have Keras, which is not imported yet, take JAX where there is no TensorFlow and nobody chose a backend."""
    if "KERAS_BACKEND" not in os.environ and find_spec("tensorflow") is None and find_spec("jax") is not None:
        os.environ["KERAS_BACKEND"] = "jax"


def _import_keras() -> ModuleType:
    # TensorFlow's start-up remarks, and all of a GPU's memory taken at once by JAX, unless the user says otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    prefer_installed_backend()
    try:
        import keras
    except ImportError as error:
        raise DataError(
            f"Expected Keras and its backend for runtime 'keras'. Received: {error}. "
            f"Install them: {install_extra('training')}. Or serve a version that has model.onnx by runtime 'onnx'."
        ) from error
    return keras  # type: ignore[no-any-return]


def _backend(keras: ModuleType, threads: int, device: Device) -> Backend:
    name = keras.backend.backend()
    if name == "tensorflow":
        from artifact.runtimes.by_tensorflow import TensorFlow

        return TensorFlow(threads, device)
    if name == "jax":
        from artifact.runtimes.by_jax import Jax

        return Jax(device)
    raise DataError(f"Expected KERAS_BACKEND 'tensorflow' or 'jax' for runtime 'keras'. Received: {name!r}.")
