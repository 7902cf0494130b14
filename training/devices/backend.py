"""Loads Keras and its backend on the devices that the settings name, without TensorFlow's start-up messages."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator

from artifact.errors import TruelineError
from artifact.runtimes.by_keras import prefer_installed_backend
from training.devices.devices import Device, take_devices

# JAX's switch, so that the same seed gives the same numbers on a GPU, too; TensorFlow has a switch of its own.
_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def load_backend(device: str = "auto", n_rows: int = 0) -> tuple[Device, ...]:
    """Import Keras and take devices; native code's output on stderr is shown only if that fails.

    Args:
        device: the setting of that name. Defaults to ``auto``.
        n_rows: rows of the table, see :func:`training.devices.devices.take_devices`. Defaults to 0.

    Returns:
        The devices that compute.

    Raises:
        DataError: the backend does not see such devices.
    """
    fresh = "keras" not in sys.modules
    if fresh:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # JAX reads this and XLA_FLAGS when it starts. Without this it would take most of a GPU's memory at once.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        prefer_installed_backend()
        flags = os.environ.get("XLA_FLAGS", "")
        if os.environ.get("KERAS_BACKEND") == "jax" and "xla_gpu_deterministic_ops" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISTIC}".strip()
    with quiet_stderr() if fresh else contextlib.nullcontext():
        importlib.import_module("keras")
        return take_devices(device, n_rows)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Collect what is written to stderr, by native code too, and show it only if the block raises.

    Processes that are started in the block write to the same file, also after the block.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except TruelineError:
            # Its message says everything.
            raise
        except BaseException:
            file.seek(0)
            os.write(stderr, file.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
