"""The folder of one running service: metrics, states of the workers, and a lock that shows that its parent lives.

The kernel frees the lock when the process ends, in whatever way. So the next start knows which temporary folders belong
to no service any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path

from artifact.files import unreadable
from service.wire.errors import StartError

logger = logging.getLogger("bentoml.trueline")

METRICS = "metrics"
LOCK = ".trueline-service"
_PREFIX = "trueline-"


class RuntimeFolder:
    """A folder that belongs to this process alone.

    Attributes:
        path: the folder.
        is_temporary: whether the folder is removed when the service ends.
    """

    def __init__(self, path: Path, lock: int | None, *, is_temporary: bool) -> None:
        self.path = path
        self.is_temporary = is_temporary
        self._lock = lock
        self._pid = os.getpid()

    @classmethod
    def take(cls, path: Path | None) -> RuntimeFolder:
        """Take the folder that the settings name, or make a new one among the temporary files.

        Where the named folder cannot be written, BentoML takes a temporary one, with which the service works as well.

        Raises:
            StartError: another service has the folder, or no folder can be made.
        """
        if path is not None:
            try:
                path.mkdir(parents=True, exist_ok=True)
                return cls(path, _lock(path, LOCK), is_temporary=False)
            except BlockingIOError as error:
                raise StartError(
                    f"TRUELINE_RUNTIME_FOLDER: Expected a folder of this service alone. Received: {path}, which "
                    "another service uses. Name another folder, or leave the setting out."
                ) from error
            except OSError as error:
                logger.warning(
                    "TRUELINE_RUNTIME_FOLDER: Expected a folder that can be written. Received: %s (%s). "
                    "What cannot be written there goes to a temporary folder.",
                    path,
                    unreadable(error),
                )
                # Subfolders of this folder may be writable. BentoML tries them, and takes a temporary folder if they
                # are not.
                return cls(path, None, is_temporary=False)
        remove_abandoned(Path(tempfile.gettempdir()))
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            # The lock is taken before its file gets its name: to other starts, a free lock means that its service was
            # killed.
            lock = _lock(folder, f"{LOCK}.new")
            (folder / f"{LOCK}.new").rename(folder / LOCK)
            return cls(folder, lock, is_temporary=True)
        except OSError as error:
            raise StartError(
                "Expected room for a folder among the temporary files. "
                f"Received: {error.strerror or error}. Name a folder that can be written: TRUELINE_RUNTIME_FOLDER."
            ) from error

    def close(self) -> None:
        """Remove a temporary folder and release the lock; do nothing in a fork of the process that took the folder."""
        if os.getpid() != self._pid:
            return
        if self.is_temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_abandoned(temporary: Path) -> None:
    """Remove the folders of killed services: such a folder has a lock file, and no process holds the lock."""
    for lock in temporary.glob(f"{_PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            if lock.stat().st_uid == os.getuid() and not is_held(lock):
                shutil.rmtree(lock.parent, ignore_errors=True)


def is_held(lock: Path) -> bool:
    """Whether a process holds the lock: then the service's parent lives."""
    file = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _lock(folder: Path, name: str) -> int:
    file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file
