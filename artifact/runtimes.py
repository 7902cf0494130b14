"""Runtimes: what computes the network. Each is imported when it is used, so that a service holds one of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from artifact import manifest as files
from artifact.errors import ArtifactError

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
RuntimeName = Literal["onnx", "keras"]

# Rows of a call are filled up to a multiple of this. ONNX Runtime's own build computes Softplus, Log, Sin, Elu and
# others four floats at a time and the rest one by one, by another formula: without the filling the last bit of an
# answer would depend on how many rows it shared its batch with.
_ROW_MULTIPLE = 4

NUMERIC_INPUT = "numeric"
CATEGORICAL_INPUT = "categorical"
VALUE_OUTPUT = "value"
SPREAD_OUTPUT = "spread"


class Outputs(NamedTuple):
    """What the network answers, target offset not yet added.

    Attributes:
        value: float32 (n_samples, n_targets).
        spread: float32 (n_samples, n_targets) above 0, or None where the network predicts none.
    """

    value: Float32
    spread: Float32 | None


class Runtime(Protocol):
    """Computes the network on encoded rows."""

    name: str

    def run(self, numeric: Float32, categorical: Int32) -> Outputs: ...


class OnnxRuntime:
    """ONNX Runtime on the CPU.

    Args:
        path: ``model.onnx``.
        threads: threads inside one call. Defaults to 1: a server gains more from running calls side by side.
    """

    name = "onnx"

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        # Its builds send usage data unless told not to before they are loaded; a user's own setting wins.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads burn the core that the event loop needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exception classes share no base below Exception
            raise ArtifactError(f"Expected an ONNX model in {path}. Received: {error}.") from error
        inputs = {i.name for i in self._session.get_inputs()}
        self._takes_numeric = NUMERIC_INPUT in inputs
        self._takes_categorical = CATEGORICAL_INPUT in inputs
        outputs = {o.name for o in self._session.get_outputs()}
        if VALUE_OUTPUT not in outputs:
            raise ArtifactError(f"Expected an output '{VALUE_OUTPUT}' of {path}. Received: {sorted(outputs)}.")
        self._outputs = [VALUE_OUTPUT, SPREAD_OUTPUT] if SPREAD_OUTPUT in outputs else [VALUE_OUTPUT]

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """Answers that do not depend, to the last bit, on the batch that a row is in."""
        n = len(numeric)
        feed: dict[str, Any] = {}
        if self._takes_numeric:
            feed[NUMERIC_INPUT] = _filled(numeric)
        if self._takes_categorical:
            feed[CATEGORICAL_INPUT] = _filled(categorical)
        found = self._session.run(self._outputs, feed)
        return Outputs(found[0][:n], found[1][:n] if len(found) > 1 else None)


def _filled(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows, then as many rows of zeros as make their number a multiple of four."""
    n = len(rows)
    if n % _ROW_MULTIPLE == 0:
        return rows
    filled = np.zeros((n + -n % _ROW_MULTIPLE, rows.shape[1]), rows.dtype)
    filled[:n] = rows
    return filled


class KerasRuntime:
    """Keras on whichever backend ``KERAS_BACKEND`` names; imports Keras when built.

    Args:
        path: ``model.keras``; loaded with ``safe_mode=True``.
    """

    name = "keras"

    def __init__(self, path: Path) -> None:
        import keras

        # Registers the layers of saved networks with Keras's deserialiser.
        import artifact.layers  # noqa: F401

        self._model = keras.saving.load_model(path, compile=False, safe_mode=True)
        self._inputs = [tensor.name for tensor in self._model.inputs]

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        import keras

        feed = {NUMERIC_INPUT: numeric, CATEGORICAL_INPUT: categorical}
        found = self._model({name: feed[name] for name in self._inputs}, training=False)
        arrays = {name: keras.ops.convert_to_numpy(tensor) for name, tensor in found.items()}
        return Outputs(arrays[VALUE_OUTPUT], arrays.get(SPREAD_OUTPUT))


def open_runtime(folder: Path, name: RuntimeName = "onnx", *, threads: int = 1) -> Runtime:
    """The runtime of a version's folder.

    Raises:
        ArtifactError: the model file is missing or cannot be loaded.
    """
    path = folder / (files.ONNX_MODEL if name == "onnx" else files.KERAS_MODEL)
    if not path.is_file():
        raise ArtifactError(f"Expected {path.name} in {folder} for runtime '{name}'. Received: no such file.")
    return OnnxRuntime(path, threads=threads) if name == "onnx" else KerasRuntime(path)
