"""What the peers share: the rows as pydantic models, and ONNX Runtime on one thread."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
from pydantic import BaseModel, ConfigDict, create_model

if TYPE_CHECKING:

    class Row(BaseModel):
        """The benchmark's 13 features."""
else:
    Row = create_model(
        "Row",
        __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
        **{f"f{i}": (float, ...) for i in range(13)},
    )


class Request(BaseModel):
    rows: list[Row]


class Prediction(BaseModel):
    value: float


class Answer(BaseModel):
    predictions: list[Prediction]


def open_session() -> ort.InferenceSession:
    """The network of ``TRUELINE_BENCHMARK_ONNX``."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["TRUELINE_BENCHMARK_ONNX"], options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, rows: list[Row]) -> list[float]:
    """The network on the rows, in the order of the model's fields."""
    X = np.array([list(row.__dict__.values()) for row in rows], np.float32)
    values: list[float] = session.run(["value"], {"numeric": X})[0][:, 0].tolist()
    return values
