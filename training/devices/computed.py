"""Where a version came from: packages, commit, and the devices that computed it."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from typing import NamedTuple, Self

PACKAGES = (
    "trueline",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "polars",
    "scikit-learn",
    "onnxruntime",
    "bentoml",
)


def packages() -> dict[str, str]:
    """Versions of the installed packages that compute the weights."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_commit() -> str | None:
    """The working folder's commit, ``+dirty`` where it had changes, or None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}+dirty" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return process.stdout.strip()


class Computed(NamedTuple):
    """The backend and devices that computed the weights, in words, for the log and the lineage.

    Attributes:
        backend: Keras's backend.
        device: for example ``cpu:0`` or ``gpu:0 (NVIDIA H100 80GB HBM3)``; several with commas between.
        precision: precision of the products in a training step.
        distribution: how several devices shared the work.
    """

    backend: str
    device: str
    precision: str
    distribution: str

    @classmethod
    def solved(cls) -> Self:
        """The record for families that are solved for: NumPy computes in double precision, always on the processor."""
        import keras

        return cls(keras.backend.backend(), "cpu:0", "float64", "one device")
