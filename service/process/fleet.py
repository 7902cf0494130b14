"""How the workers of one service see each other: each has a file below the service's runtime folder.

A worker holds a lock on its file for as long as it lives. The kernel frees the lock when the process ends, in
whatever way, so a file whose lock is free belongs to a dead worker. Process numbers do not tell this, for the system
uses them again.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal

# Name of the folder that holds the workers' files, inside the folder of the metrics.
WORKERS = "workers"

logger = logging.getLogger("bentoml.trueline")

# A worker that is "empty" or "aside" could not load a version: it has nothing to answer with. One that is aside accepts
# no connections, so that no call is the worse for it.
State = Literal["starting", "empty", "aside", "ready", "draining"]
_MARKS: dict[State, bytes] = {"starting": b"s", "empty": b"e", "aside": b"a", "ready": b"r", "draining": b"d"}


class Fleet:
    """This worker among its service's workers.

    Args:
        folder: folder of the workers' files, made by :meth:`join`; None where this process is the only worker.
        expected: number of workers that the service should have.
    """

    def __init__(self, folder: Path | None = None, expected: int = 1) -> None:
        self.expected = expected if folder is not None else 1
        self.state: State = "starting"
        self._folder = folder
        self._file: int | None = None

    def join(self) -> None:
        """Show this worker to the others. Where the folder cannot be written, this worker sees only itself."""
        if self._folder is None:
            return
        hidden = self._folder / f".{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(file, _MARKS[self.state], 0)
            # The file is locked before it gets its name: to the others, an unlocked file means that its worker is dead.
            hidden.rename(self._folder / str(os.getpid()))
        except OSError as error:
            logger.warning(
                "Each worker reports only its own readiness: %s cannot be written (%s).", self._folder, error
            )
            self._folder, self.expected = None, 1
        else:
            self._file = file

    def show(self, state: State) -> None:
        """Show this worker's state to the others; a worker that drains stays in that state."""
        if self.state == "draining":
            return
        self.state = state
        if self._file is not None:
            os.pwrite(self._file, _MARKS[state], 0)

    def ready_workers(self) -> int:
        """The number of workers that are alive and ready, with this one and with those that are aside.

        Raises:
            OSError: the workers' files cannot be read, because no descriptor is free or the rights are missing.
        """
        if self._folder is None:
            return int(self.state == "ready")
        return sum(mark in (_MARKS["ready"], _MARKS["aside"]) for mark in self._marks())

    def has_others(self, states: Collection[State]) -> bool:
        """Whether another worker is alive and in one of some states; False where the others cannot be seen.

        Args:
            states: states that this worker is not in.
        """
        marks = {_MARKS[state] for state in states}
        try:
            return any(mark in marks for mark in self._marks())
        except OSError:
            return False

    def living_workers(self) -> int:
        """The number of workers that are alive and have begun to load a model, whatever their state."""
        try:
            return sum(mark is not None for mark in self._marks())
        except OSError:
            return 0

    def _marks(self) -> list[bytes | None]:
        if self._folder is None:
            return []
        try:
            files = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            return []
        return [_mark(path) for path in files]

    def leave(self) -> None:
        """Remove this worker's file, so that the others no longer count it."""
        if self._file is not None and self._folder is not None:
            (self._folder / str(os.getpid())).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def _mark(path: Path) -> bytes | None:
    """The mark of a worker's state, or None where the worker is dead; the file of a dead worker is removed."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(file, 1, 0)
    else:
        path.unlink(missing_ok=True)
        return None
    finally:
        os.close(file)
