"""Saves the network as an MLflow model, which ``mlflow models serve`` then serves: ``mlflow_onnx.py FOLDER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

if __name__ == "__main__" and not Path(sys.argv[1]).exists():
    network = onnx.load(os.environ["TRUELINE_BENCHMARK_ONNX"])
    inputs = Schema([TensorSpec(np.dtype(np.float32), (-1, 13))])
    mlflow.onnx.save_model(
        network,
        sys.argv[1],
        signature=ModelSignature(inputs=inputs),
        pip_requirements=[],
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    )
