"""Locks between the processes of a machine: a wait for one is bounded, and its end names the process that has it."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from artifact.errors import RefusedError

# A change of what is live takes milliseconds, and a large store takes a second. A process that has a lock for longer
# was stopped, or it stores a version.
LOCK_SECONDS = 30.0
_POLL_SECONDS = 0.02


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Have the lock of a file during the block.

    Args:
        path: the file; it and its folder are made if they are not there.
        shared: whether other processes may have it too, if they share it. Defaults to False.
        seconds: the longest wait; ``math.inf`` for no limit. Defaults to 30.

    Raises:
        RefusedError: another process had the lock for all of that time.
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, seconds)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, operation: int, seconds: float) -> None:
    if math.isinf(seconds):
        fcntl.flock(descriptor, operation)
        return
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise RefusedError(
                    f"Expected the lock {path} to be free within {seconds:g} s. Received: {_signature(descriptor)}. "
                    "Nothing was changed. Let that process end, or end it if it was stopped or hangs; then run the "
                    "command again."
                ) from error
            time.sleep(_POLL_SECONDS)
        else:
            return


def _sign(descriptor: int) -> None:
    """Write into the file which process has the lock. A full disk is no reason to go without the lock."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} on {socket.gethostname()}".encode(), 0)


def _signature(descriptor: int) -> str:
    """The process that has the lock, in words, as far as it is known."""
    words = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
    return f"process {words} has it" if words else "another process has it"
