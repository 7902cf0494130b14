"""Where a version came from: packages, commit, backend."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata

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
    """Versions of what computes the weights, those that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The working folder's commit, ``+dirty`` where it had changes, or None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}+dirty" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return done.stdout.strip()


def device() -> str:
    """What the backend computes on, for example ``cpu`` or ``gpu:0``."""
    import keras

    devices = keras.distribution.list_devices()
    gpus = [d for d in devices if not d.startswith("cpu")]
    return ", ".join(gpus or devices[:1])
