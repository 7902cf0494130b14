"""The folder of one running service: metrics, states of the workers, and a lock that says that its parent lives.

The kernel ends the lock with the process, however that dies. So the next start knows which temporary folders nobody
has any more.
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
    """A folder that this process has for itself.

    Attributes:
        path: the folder.
        is_temporary: whether it goes with the service.
    """

    def __init__(self, path: Path, lock: int | None, *, is_temporary: bool) -> None:
        self.path = path
        self.is_temporary = is_temporary
        self._lock = lock
        self._pid = os.getpid()

    @classmethod
    def take(cls, named: Path | None) -> RuntimeFolder:
        """Take the folder that was named, or a new one among the temporary files.

        A named folder that cannot be written is passed over for a temporary one, for the service can do without it.

        Raises:
            StartError: another service has the folder, or no folder can be made.
        """
        if named is not None:
            try:
                named.mkdir(parents=True, exist_ok=True)
                return cls(named, _lock(named, LOCK), is_temporary=False)
            except BlockingIOError as error:
                raise StartError(
                    f"TRUELINE_RUNTIME_FOLDER: Expected a folder of this service alone. Received: {named}, which "
                    "another service uses. Name another, or none."
                ) from error
            except OSError as error:
                logger.warning(
                    "TRUELINE_RUNTIME_FOLDER: Expected a folder that can be written. Received: %s (%s). Where it "
                    "cannot be, metrics and states go to a temporary folder.",
                    named,
                    unreadable(error),
                )
                # What is there already may do; BentoML finds out, and takes a temporary folder where it does not.
                return cls(named, None, is_temporary=False)
        remove_abandoned(Path(tempfile.gettempdir()))
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            # Seen by others only once it is held: a free lock is that of a service that was killed.
            lock = _lock(folder, f"{LOCK}.new")
            (folder / f"{LOCK}.new").rename(folder / LOCK)
            return cls(folder, lock, is_temporary=True)
        except OSError as error:
            raise StartError(
                "Expected room for a folder among the temporary files. "
                f"Received: {error.strerror or error}. Name a folder that can be written: TRUELINE_RUNTIME_FOLDER."
            ) from error

    def close(self) -> None:
        """Remove a temporary folder, and let go of the lock; a fork of the process that took it changes nothing."""
        if os.getpid() != self._pid:
            return
        if self.is_temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_abandoned(temporary: Path) -> None:
    """Remove the folders of services that were killed: their lock is there, and nobody holds it."""
    for lock in temporary.glob(f"{_PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            if lock.stat().st_uid == os.getuid() and not is_held(lock):
                shutil.rmtree(lock.parent, ignore_errors=True)


def is_held(lock: Path) -> bool:
    """Whether a service's parent lives, by its lock."""
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
