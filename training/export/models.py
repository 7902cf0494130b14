"""Writes ``model.keras`` and ``model.onnx``, and checks that both give the same answers."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from artifact.errors import TruelineError
from artifact.golden import wide_scale
from artifact.manifest import KERAS_MODEL, ONNX_MODEL
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import Outputs, Runtime, open_runtime
from training.export.onnx_graph import UnsupportedError, write_onnx
from training.networks.model import feed

logger = logging.getLogger(__name__)

# The allowed difference, as a share of a target's standard deviation. 8 units in float32's last place are added to it.
PARITY = 1e-5


class Exported(NamedTuple):
    """The result of an export.

    Attributes:
        runtime: the runtime that serves: on ``model.onnx``, or on ``model.keras`` where that is the only file.
        note: a sentence for the manifest on why there is no ``model.onnx``, or None.
    """

    runtime: Runtime
    note: str | None


def write_model(model: Any, folder: Path, schema: FeatureSchema, X: Encoded) -> Exported:
    """Write the model files into a version's folder.

    A network with an operation that ONNX does not have is stored without ``model.onnx``, for the Keras runtime.

    Args:
        model: a Keras model from :func:`training.fit.fit`.
        folder: folder of the version.
        schema: gives the targets' standard deviations.
        X: encoded rows, usual and unusual, on which both files must agree.

    Raises:
        TruelineError: the two files answer differently.
    """
    # Compute on the CPU, as the service does: a GPU's sums differ in the last bits, and this check has the smallest
    # tolerance.
    with keras.device("cpu:0"):
        answers = model(feed(X, [t.name for t in model.inputs]), training=False)
    arrays = {name: np.asarray(keras.ops.convert_to_numpy(tensor)) for name, tensor in answers.items()}
    expected = Outputs(**arrays)
    model.save(folder / KERAS_MODEL)
    runtime = _write_lean(model, folder, schema, X, expected)
    if runtime is not None:
        return Exported(runtime, None)
    try:
        if keras.backend.backend() == "tensorflow":
            export_onnx(model, folder / ONNX_MODEL)
        else:
            _export_elsewhere(folder)
    except Exception as error:  # noqa: BLE001 - converters raise whatever their own code does
        (folder / ONNX_MODEL).unlink(missing_ok=True)
        reason = " ".join(str(error).split())[-300:] or type(error).__name__
        note = f"{ONNX_MODEL} was left out: the export failed. The service needs Keras for this version. {reason}"
        return Exported(open_runtime(folder, "keras"), note)
    runtime = open_runtime(folder, "onnx")
    check_parity(expected, runtime.run(X.numeric, X.categorical), schema)
    return Exported(runtime, None)


def _write_lean(model: Any, folder: Path, schema: FeatureSchema, X: Encoded, expected: Outputs) -> Runtime | None:
    """Write a graph with few operations, for any backend; None where a layer is not known or an answer differs."""
    path = folder / ONNX_MODEL
    for exact in (False, True):
        try:
            write_onnx(model, path, exact=exact)
            runtime = open_runtime(folder, "onnx")
            check_parity(expected, runtime.run(X.numeric, X.categorical), schema)
        except (UnsupportedError, TruelineError) as error:
            logger.info("%s is written in another way: %s", ONNX_MODEL, error)
            path.unlink(missing_ok=True)
        else:
            return runtime
    return None


def export_onnx(model: Any, path: Path) -> None:
    """Convert a Keras model that has been called before; this needs the TensorFlow backend."""
    with warnings.catch_warnings():
        # tf2onnx still looks for np.object, about which NumPy 2 warns.
        warnings.simplefilter("ignore")
        model.export(path, format="onnx", verbose=False)


def check_parity(expected: Outputs, actual: Outputs, schema: FeatureSchema) -> None:
    """Compare two runtimes' outputs.

    Raises:
        TruelineError: they differ by more than 1e-5 of a target's standard deviation; for spreads, by more than 1e-5 of
            what :func:`wide_scale` gives.
    """
    std = np.array([t.std for t in schema.targets])
    for name, ours in expected._asdict().items():
        theirs = getattr(actual, name)
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None:
            raise TruelineError(
                f"Expected '{name}' from both model.onnx and model.keras, or from neither. Received: one of the two."
            )
        scale = wide_scale(ours, std) if name == "spread" else std[:, None] if name == "quantiles" else std
        allowed = PARITY * scale + 8 * np.spacing(np.abs(ours))
        difference = np.abs(ours.astype(np.float64) - theirs)
        if not (difference <= allowed).all():
            worst = float(np.max(np.nan_to_num(difference, nan=np.inf) / std))
            raise TruelineError(
                f"Expected model.onnx to answer as model.keras within {PARITY:g} standard deviations. "
                f"Received: {worst:.3g} for '{name}'. No version was written."
            )


def _export_elsewhere(folder: Path) -> None:
    """Export in a process on TensorFlow: the converters of other backends need TensorFlow or PyTorch anyway."""
    command = [sys.executable, "-m", "training.export.models", str(folder.resolve())]
    settings = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment = {**os.environ, **settings}
    # Run in this package's parent folder, so that a user's folder of the same name is not imported.
    home = Path(__file__).resolve().parents[2]
    process = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if process.returncode:
        raise TruelineError(f"Expected the export to ONNX to succeed. Received: {process.stderr.strip()[-500:]}")


def main(folder: str) -> None:
    """Export the ``model.keras`` of a folder."""
    import artifact.layers  # noqa: F401 - registers them with the loader

    model = keras.saving.load_model(Path(folder) / KERAS_MODEL, compile=False, safe_mode=True)
    model({t.name: np.zeros((2, *t.shape[1:]), t.dtype) for t in model.inputs})
    export_onnx(model, Path(folder) / ONNX_MODEL)


if __name__ == "__main__":
    main(sys.argv[1])
