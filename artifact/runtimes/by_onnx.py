"""ONNX Runtime, on the CPU or by its CUDA provider."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import ArtifactError, DataError
from artifact.runtimes.base import (
    CATEGORICAL_INPUT,
    NUMERIC_INPUT,
    QUANTILES_OUTPUT,
    SPREAD_OUTPUT,
    VALUE_OUTPUT,
    Device,
    Float32,
    Int32,
    Outputs,
)
from artifact.runtimes.bound import BOUND_ROWS, BoundRuns

# Below BentoML's own logger, so that a worker's log shows it.
logger = logging.getLogger("bentoml.trueline")

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

# Rows of a call are filled up to a multiple of this. ONNX Runtime's own build computes Softplus, Log, Sin, Elu and
# others four floats at a time and the rest one by one, by another formula: without the filling the last bit of an
# answer would depend on how many rows it shared its batch with.
_ROW_MULTIPLE = 4


class OnnxRuntime:
    """ONNX Runtime on one model file.

    Args:
        path: ``model.onnx``, or another graph of the same inputs and outputs.
        threads: threads inside one call. Defaults to 1: a server gains more from running calls side by side.
        device: ``cpu``; ``cuda``, which must be there; ``auto``, CUDA where it is there and opens. Defaults to ``cpu``.
        name: what it is called in logs and documents. Defaults to ``onnx``.

    Raises:
        ArtifactError: the file is no such model.
        DataError: ``cuda`` was asked for where there is none.
    """

    def __init__(self, path: Path, *, threads: int = 1, device: Device = "cpu", name: str = "onnx") -> None:
        # Its builds send usage data unless told not to before they are loaded; a user's own setting wins.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads burn the core that the event loop needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.name = name
        self._session, self.device = _open(ort, path, options, device)
        inputs = {i.name for i in self._session.get_inputs()}
        self._takes_numeric = NUMERIC_INPUT in inputs
        self._takes_categorical = CATEGORICAL_INPUT in inputs
        outputs = {o.name for o in self._session.get_outputs()}
        if VALUE_OUTPUT not in outputs:
            raise ArtifactError(f"Expected an output '{VALUE_OUTPUT}' of {path}. Received: {sorted(outputs)}.")
        self._outputs = [name for name in (VALUE_OUTPUT, SPREAD_OUTPUT, QUANTILES_OUTPUT) if name in outputs]
        # Outputs takes them in this order; without a spread the quantiles would come in its place.
        self._outputs_of = Outputs if self._outputs[-1] != QUANTILES_OUTPUT else self._named
        # Made at the first run, which shows how wide the outputs are.
        self._bound: BoundRuns | None = None

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """Answers that do not depend, on a CPU to the last bit, on the batch that a row is in."""
        n = len(numeric)
        if self._bound is not None and 0 < n <= BOUND_ROWS:
            given = [numeric] if self._takes_numeric else []
            found = self._bound.run([*given, categorical] if self._takes_categorical else given)
            return self._outputs_of(*found)
        feed: dict[str, Any] = {}
        if self._takes_numeric:
            feed[NUMERIC_INPUT] = _filled(numeric)
        if self._takes_categorical:
            feed[CATEGORICAL_INPUT] = _filled(categorical)
        found = self._session.run(self._outputs, feed)
        if self._bound is None and self.device == "cpu" and feed:
            outputs = dict(zip(self._outputs, found, strict=True))
            self._bound = BoundRuns(self._session, feed, outputs, multiple=_ROW_MULTIPLE)
        return self._outputs_of(*[array[:n] for array in found])

    def computed_rows(self, n_rows: int) -> int:
        return n_rows + -n_rows % _ROW_MULTIPLE

    def _named(self, *found: Float32) -> Outputs:
        return Outputs(**dict(zip(self._outputs, found, strict=True)))


def _open(ort: Any, path: Path, options: Any, device: Device) -> tuple[Any, str]:
    """A session and the device that it computes on."""
    if device != "cpu":
        offered = CUDA in ort.get_available_providers()
        session = _session(ort, path, options, cuda=True) if offered else None
        # ONNX Runtime itself goes on without a provider that does not open, and says so only in its providers.
        if session is not None and CUDA in session.get_providers():
            return session, "cuda"
        why = (
            f"{CUDA} did not open: look at the driver, and at the versions of CUDA and cuDNN"
            if offered
            else "this onnxruntime has none; the package onnxruntime-gpu, in its place, has"
        )
        if device == "cuda":
            raise DataError(f"Expected ONNX Runtime with a GPU for device 'cuda'. Received: {why}.")
        if offered:
            logger.warning("ONNX Runtime computes on the CPU: %s.", why)
    return _session(ort, path, options, cuda=False), "cpu"


def _session(ort: Any, path: Path, options: Any, *, cuda: bool) -> Any:
    # TF32 would keep 10 of 23 bits of each factor: an error of 5e-4, above the tolerance.
    providers = [(CUDA, {"use_tf32": "0"}), CPU] if cuda else [CPU]
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's own exception classes share no base below Exception
        if cuda:
            logger.warning("%s: %s", CUDA, error)
            return None
        raise ArtifactError(f"Expected an ONNX model in {path}. Received: {error}.") from error


def _filled(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows, then as many rows of zeros as make their number a multiple of four, and not 0.

    ONNX Runtime 1.31 divides by zero in a fused transposition and product of no rows, which ends the process.
    """
    n = len(rows)
    if n and n % _ROW_MULTIPLE == 0:
        return rows
    filled = np.zeros((max(n + -n % _ROW_MULTIPLE, _ROW_MULTIPLE), rows.shape[1]), rows.dtype)
    filled[:n] = rows
    return filled
