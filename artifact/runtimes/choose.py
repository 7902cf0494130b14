"""Opens the runtime of a version's folder."""

from __future__ import annotations

from pathlib import Path

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError
from artifact.runtimes.base import Device, Runtime, RuntimeName
from artifact.runtimes.by_keras import KerasRuntime
from artifact.runtimes.by_onnx import OnnxRuntime

_FILES = {"onnx": files.ONNX_MODEL, "onnx-int8": files.INT8_MODEL, "keras": files.KERAS_MODEL}
_ADVICE = {
    "onnx": "Its export failed, as its notes say; runtime 'keras' serves it.",
    "onnx-int8": "Train with int8 = true; if training refused the copy, the version's notes say why.",
    "keras": "Train again.",
}


def open_runtime(folder: Path, name: RuntimeName = "auto", *, threads: int = 1, device: Device = "cpu") -> Runtime:
    """The runtime of a version's folder.

    Args:
        folder: folder of the version.
        name: ``onnx``; ``onnx-int8``, its copy in 8-bit integers; ``keras``; ``auto``, ``onnx`` where the version has
            it and ``keras`` where not. Defaults to ``auto``.
        threads: threads inside one call. Defaults to 1.
        device: ``cpu``, ``cuda`` or ``auto``. Defaults to ``cpu``.

    Raises:
        ArtifactError: the model file is missing or cannot be loaded.
        DataError: what the runtime or the device needs is not on this machine.
    """
    if name == "auto":
        name = "onnx" if has_model(folder, "onnx") or not has_model(folder, "keras") else "keras"
    path = folder / _FILES[name]
    if not path.is_file():
        raise ArtifactError(
            f"Expected {path.name} in {folder} for runtime '{name}'. Received: no such file. {_ADVICE[name]}"
        )
    if name == "keras":
        return KerasRuntime(path, threads=threads, device=device)
    if name == "onnx-int8":
        # CUDA's provider has no kernels for it: every product would go to the CPU and back.
        if device == "cuda":
            raise DataError("Expected device 'cpu' or 'auto' for runtime 'onnx-int8'. Received: device 'cuda'.")
        device = "cpu"
    return OnnxRuntime(path, threads=threads, device=device, name=name)


def has_model(folder: Path, name: RuntimeName) -> bool:
    """Whether a version's folder holds the file of a runtime."""
    return (folder / _FILES[name]).is_file()
