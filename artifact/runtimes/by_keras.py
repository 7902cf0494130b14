"""Keras: a compiled call for each bucket of rows, on TensorFlow or JAX as ``KERAS_BACKEND`` says."""

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
from artifact.runtimes.chunks import join

if TYPE_CHECKING:
    from types import ModuleType


class Backend(Protocol):
    """A backend of Keras that is ready to serve: it compiles calls for one number of rows.

    ``load`` is called first and builds the model on the device; ``compile_for`` takes the model that it returns.
    """

    device: str

    def load(self, build: Callable[[], Any]) -> Any: ...

    def compile_for(self, model: Any, widths: Mapping[str, tuple[int, str]], rows: int) -> Call: ...


class KerasRuntime:
    """``model.keras`` by compiled calls; building one imports Keras, compiles every bucket and runs it once.

    No request compiles anything: rows are padded to the next bucket of 1, 4, 16, 64, 256, 1024, 4096. More rows are
    cut into calls of 4096.

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
        # A model that was never called has no attribute 'output'.
        outputs = getattr(model, "output", None)
        names = sorted(outputs) if isinstance(outputs, dict) else []
        if VALUE_OUTPUT not in names:
            raise ArtifactError(f"Expected an output '{VALUE_OUTPUT}' of {path}. Received: {names}.")
        self._widths = {tensor.name: (int(tensor.shape[1]), str(tensor.dtype)) for tensor in model.inputs}
        self._calls = {rows: backend.compile_for(model, self._widths, rows) for rows in buckets.BUCKETS}
        for rows, call in self._calls.items():
            call({name: np.zeros((rows, width), dtype) for name, (width, dtype) in self._widths.items()})

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """Compute the answers. Their last bits may depend on the bucket that a row is in."""
        rows = {NUMERIC_INPUT: numeric, CATEGORICAL_INPUT: categorical}
        inputs = {name: rows[name] for name in self._widths}
        parts = []
        for start, stop, bucket in buckets.cut(len(numeric)):
            feed = {name: buckets.pad(array[start:stop], bucket) for name, array in inputs.items()}
            part = {name: answer[: stop - start] for name, answer in self._calls[bucket](feed).items()}
            parts.append(Outputs(part[VALUE_OUTPUT], part.get(SPREAD_OUTPUT), part.get(QUANTILES_OUTPUT)))
        return join(parts)

    def computed_rows(self, n_rows: int) -> int:
        return buckets.computed_rows(n_rows)


def prefer_installed_backend() -> None:
    """Make Keras use JAX where TensorFlow is not installed and no backend is chosen. Call it before importing Keras."""
    if "KERAS_BACKEND" not in os.environ and find_spec("tensorflow") is None and find_spec("jax") is not None:
        os.environ["KERAS_BACKEND"] = "jax"


def _import_keras() -> ModuleType:
    # Without these, TensorFlow prints remarks at start and JAX takes all of a GPU's memory. The user's own values win.
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
