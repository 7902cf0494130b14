"""Loads Keras and its backend without the start-up remarks that TensorFlow writes past Python."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator


def load_backend() -> None:
    """Import Keras; what native code writes to stderr meanwhile is shown only if the import fails."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_stderr():
        importlib.import_module("keras")


@contextlib.contextmanager
def _held_stderr() -> Iterator[None]:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
