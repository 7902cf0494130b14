"""The GPUs that the NVIDIA driver sees, even if the backend cannot use them: for a message on what is missing."""

from __future__ import annotations

import contextlib
from typing import NamedTuple


class Driver(NamedTuple):
    """An NVIDIA driver that answers.

    Attributes:
        version: its own, for example ``570.86.15``.
        gpus: their names, for example ``NVIDIA H100 80GB HBM3``.
    """

    version: str
    gpus: tuple[str, ...]


def driver() -> Driver | None:
    """Ask the driver's management library, which starts nothing on a GPU; None where no driver answers."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = tuple(_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
        return Driver(_text(pynvml.nvmlSystemGetDriverVersion()), names)
    except pynvml.NVMLError:
        return None
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    """The value as text; older releases of the library answer with bytes."""
    return value.decode() if isinstance(value, bytes) else value
