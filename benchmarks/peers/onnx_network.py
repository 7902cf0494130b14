"""The network that the peers on ONNX Runtime answer with, on one thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort


def open_session() -> ort.InferenceSession:
    """The network of ``TRUELINE_BENCHMARK_ONNX``."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["TRUELINE_BENCHMARK_ONNX"], options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """X: float32 (n_samples, n_features). The values, float32 (n_samples, 1)."""
    values: npt.NDArray[np.float32] = session.run(["value"], {"numeric": X})[0]
    return values


def matrix(rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32]:
    """Rows by name as float32 (n_samples, n_features)."""
    names = [f"f{i}" for i in range(13)]
    return np.array([[row[name] for name in names] for row in rows], np.float32)
