"""ONNX Runtime, on the CPU or by its CUDA provider."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import ArtifactError, DataError
from artifact.files import unreadable
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

# Rows of a call are padded to a multiple of this. ONNX Runtime's own build computes Softplus, Log, Sin, Elu and others
# four floats at a time, and the remaining floats one by one by another formula: without padding the last bit of an
# answer would depend on the number of rows in its batch.
_ROW_MULTIPLE = 4


class OnnxRuntime:
    """ONNX Runtime on one model file.

    Args:
        path: ``model.onnx``, or another graph of the same inputs and outputs.
        threads: threads inside one call. Defaults to 1: a server gains more from running calls side by side.
        device: ``cpu``; ``cuda``, which must be there; ``auto``, CUDA where it is there and opens. Defaults to ``cpu``.
        name: its name in logs and documents. Defaults to ``onnx``.

    Raises:
        ArtifactError: the file is no such model.
        DataError: ``cuda`` was asked for where there is none.
    """

    def __init__(self, path: Path, *, threads: int = 1, device: Device = "cpu", name: str = "onnx") -> None:
        # Some builds of ONNX Runtime send usage data unless this is set before they are loaded. The user's own value
        # wins.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the core that the event loop needs.
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
        # Outputs takes value, spread, quantiles in order; without a spread the quantiles must go by name.
        self._outputs_of = Outputs if self._outputs[-1] != QUANTILES_OUTPUT else self._by_name
        self._is_new = True
        # Made after the first run, which shows how wide the outputs are.
        self.bound_runs: BoundRuns | None = None

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """Compute the answers.

        They do not depend on the batch that a row is in; on a CPU this holds to the last bit.

        Raises:
            ArtifactError: at the first call, a network that does not take such rows.
        """
        n = len(numeric)
        if self.bound_runs is not None and 0 < n <= BOUND_ROWS:
            arrays = [numeric] if self._takes_numeric else []
            answers = self.bound_runs.run([*arrays, categorical] if self._takes_categorical else arrays)
            return self._outputs_of(*answers)
        feed: dict[str, Any] = {}
        if self._takes_numeric:
            feed[NUMERIC_INPUT] = _pad(numeric)
        if self._takes_categorical:
            feed[CATEGORICAL_INPUT] = _pad(categorical)
        answers = self._first(feed) if self._is_new else self._session.run(self._outputs, feed)
        if self.bound_runs is None and self.device == "cpu" and feed:
            outputs = dict(zip(self._outputs, answers, strict=True))
            self.bound_runs = BoundRuns(self._session, feed, outputs, multiple=_ROW_MULTIPLE)
        return self._outputs_of(*[array[:n] for array in answers])

    def _first(self, feed: dict[str, Any]) -> list[Any]:
        """The outputs of the first run, which shows whether the network takes the columns of the version's schema."""
        try:
            answers: list[Any] = self._session.run(self._outputs, feed)
        except Exception as error:  # onnxruntime's own exception classes share no base below Exception
            raise ArtifactError(
                f"Expected a network that takes the columns of its version's schema. Received: {unreadable(error)}. "
                "Use another version."
            ) from error
        self._is_new = False
        return answers

    def computed_rows(self, n_rows: int) -> int:
        return n_rows + -n_rows % _ROW_MULTIPLE

    def _by_name(self, *answers: Float32) -> Outputs:
        return Outputs(**dict(zip(self._outputs, answers, strict=True)))


def _open(ort: Any, path: Path, options: Any, device: Device) -> tuple[Any, str]:
    """A session and the device that it computes on."""
    if device != "cpu":
        has_cuda = CUDA in ort.get_available_providers()
        session = _session(ort, path, options, cuda=True) if has_cuda else None
        # ONNX Runtime goes on without a provider that does not open; only get_providers() shows it.
        if session is not None and CUDA in session.get_providers():
            return session, "cuda"
        reason = (
            f"{CUDA} did not open: look at the driver, and at the versions of CUDA and cuDNN"
            if has_cuda
            else "this onnxruntime has none; install the package onnxruntime-gpu in its place"
        )
        if device == "cuda":
            raise DataError(f"Expected ONNX Runtime with a GPU for device 'cuda'. Received: {reason}.")
        if has_cuda:
            logger.warning("ONNX Runtime computes on the CPU: %s.", reason)
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


def _pad(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows, then rows of zeros up to a multiple of four, at least four rows in all.

    With no rows, a fused transposition and product of ONNX Runtime 1.31 divides by zero and ends the process.
    """
    n = len(rows)
    if n and n % _ROW_MULTIPLE == 0:
        return rows
    padded = np.zeros((max(n + -n % _ROW_MULTIPLE, _ROW_MULTIPLE), rows.shape[1]), rows.dtype)
    padded[:n] = rows
    return padded
