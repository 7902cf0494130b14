"""Worker processes that the parent started, counted by the kernel: circus counts them by what ``/proc`` shows."""

from __future__ import annotations

import contextlib
import os
import signal


class Started:
    """Children of this process. Those that ended do not count, whether or not somebody has waited for them."""

    def __init__(self) -> None:
        self._pids: set[int] = set()

    def add(self, pid: int) -> None:
        """Count a child of this process."""
        self._pids.add(pid)

    def running(self) -> int:
        """How many of them run."""
        self._pids = {pid for pid in self._pids if _runs(pid)}
        return len(self._pids)

    def end(self) -> None:
        """Ask those that run to end."""
        for pid in self._pids:
            if _runs(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def _runs(pid: int) -> bool:
    """Whether a child runs; one that ended is left for whoever waits for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
