"""The model that serves where no setting names one: the first that had a champion, the same for all workers."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Name of the choice's file in the folder of the metrics, which is emptied at each start.
CHOICE = "model"


class Choice:
    """A choice that is made once for all workers; it ends with the service.

    Args:
        file: file that holds the choice for all workers; None where this process is the only one.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._name: str | None = None

    def current(self) -> str | None:
        """The chosen model, or None while none is chosen."""
        if self._name is None and self._file is not None:
            with contextlib.suppress(OSError):
                self._name = self._file.read_text(encoding="utf-8") or None
        return self._name

    def make(self, name: str) -> str:
        """Choose a model, unless another worker was first; return the model that is chosen."""
        if self.current() is None:
            self._name = name
            if self._file is not None:
                self._name = self._write_first(self._file, name)
        return self._name or name

    def _write_first(self, file: Path, name: str) -> str:
        hidden = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            hidden.write_text(name, encoding="utf-8")
            # Only one process can make the link, and no process sees the file half-written.
            with contextlib.suppress(FileExistsError):
                os.link(hidden, file)
            hidden.unlink()
            return file.read_text(encoding="utf-8")
        except OSError:
            return name  # The folder cannot be written: then each worker chooses for itself.
