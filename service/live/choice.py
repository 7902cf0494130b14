"""Which model a service serves that was not told which: the first that had a champion, and for all workers the same."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Its file among the metrics, whose folder is emptied at each start.
CHOICE = "model"


class Choice:
    """A choice that is made once for all workers; it ends with the service.

    Args:
        file: where it is kept, seen by all workers; None where this process is the only one.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._name: str | None = None

    def made(self) -> str | None:
        """The model that was chosen, or None where none was yet."""
        if self._name is None and self._file is not None:
            with contextlib.suppress(OSError):
                self._name = self._file.read_text(encoding="utf-8") or None
        return self._name

    def make(self, name: str) -> str:
        """Choose a model, unless another worker was first; what is chosen comes back."""
        if self.made() is None:
            self._name = name
            if self._file is not None:
                self._name = self._first(self._file, name)
        return self._name or name

    def _first(self, file: Path, name: str) -> str:
        hidden = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            hidden.write_text(name, encoding="utf-8")
            # A link is made whole or not at all, and by one process only.
            with contextlib.suppress(FileExistsError):
                os.link(hidden, file)
            hidden.unlink()
            return file.read_text(encoding="utf-8")
        except OSError:
            return name  # The folder cannot be written; then each worker chooses for itself, as it counts for itself.
