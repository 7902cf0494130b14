"""Writes ``model.keras`` and ``model.onnx``, and proves that they are one function."""

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

# Of a target's standard deviation; float32 itself resolves an answer to 8 units in the last place at best.
PARITY = 1e-5


class Exported(NamedTuple):
    """What was written.

    Attributes:
        runtime: on what serves: ``model.onnx``, or ``model.keras`` where there is no other.
        note: why there is no ``model.onnx``, or None; for the manifest.
    """

    runtime: Runtime
    note: str | None


def write_model(model: Any, folder: Path, schema: FeatureSchema, X: Encoded) -> Exported:
    """Write the model files into a version's folder.

    A network with an operation that ONNX has no form of is stored without ``model.onnx``, for the Keras runtime.

    Args:
        model: as :func:`training.fit.fit` gives it.
        folder: of the version.
        schema: gives the targets' standard deviations.
        X: encoded rows, usual and unusual, on which both must agree.

    Raises:
        TruelineError: the two files answer differently.
    """
    # Where it will be served: a GPU's sums differ in the last bits, and this is the least of all tolerances.
    with keras.device("cpu:0"):
        answers = model(feed(X, [t.name for t in model.inputs]), training=False)
    arrays = {name: np.asarray(keras.ops.convert_to_numpy(tensor)) for name, tensor in answers.items()}
    expected = Outputs(**arrays)
    model.save(folder / KERAS_MODEL)
    runtime = _lean(model, folder, schema, X, expected)
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


def _lean(model: Any, folder: Path, schema: FeatureSchema, X: Encoded, expected: Outputs) -> Runtime | None:
    """The graph of few operations, on any backend; None where a layer is not known or an answer differs."""
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
    """Convert a Keras model that was called before; needs the TensorFlow backend."""
    with warnings.catch_warnings():
        # tf2onnx still looks for np.object, which NumPy 2 announces by a warning.
        warnings.simplefilter("ignore")
        model.export(path, format="onnx", verbose=False)


def check_parity(expected: Outputs, found: Outputs, schema: FeatureSchema) -> None:
    """Compare two runtimes' outputs.

    Raises:
        TruelineError: they differ by more than 1e-5 of a target's standard deviation; spreads, of :func:`wide_scale`.
    """
    std = np.array([t.std for t in schema.targets])
    for name, ours in expected._asdict().items():
        theirs = getattr(found, name)
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None:
            raise TruelineError(f"Expected '{name}' of both model.onnx and model.keras, or of neither. Received: one.")
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
    """Export in a process on TensorFlow: the other backends' own converters need it or PyTorch anyway."""
    command = [sys.executable, "-m", "training.export.models", str(folder.resolve())]
    steering = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment = {**os.environ, **steering}
    # From where this package is, so that a folder of the user with its name is not found before it.
    home = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise TruelineError(f"Expected the export to ONNX to succeed. Received: {done.stderr.strip()[-500:]}")


def main(folder: str) -> None:
    """Export the ``model.keras`` of a folder."""
    import artifact.layers  # noqa: F401 - registers them with the loader

    model = keras.saving.load_model(Path(folder) / KERAS_MODEL, compile=False, safe_mode=True)
    model({t.name: np.zeros((2, *t.shape[1:]), t.dtype) for t in model.inputs})
    export_onnx(model, Path(folder) / ONNX_MODEL)


if __name__ == "__main__":
    main(sys.argv[1])
