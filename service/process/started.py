"""Worker processes that the parent started, counted by the kernel: circus counts them by what ``/proc`` shows."""

from __future__ import annotations

import contextlib
import os
import signal


class StartedWorkers:
    """Children of this process. Those that ended do not count, even where nobody has waited for them yet."""

    def __init__(self) -> None:
        self._pids: set[int] = set()

    def add(self, pid: int) -> None:
        """Count a child of this process."""
        self._pids.add(pid)

    def running(self) -> int:
        """How many of these children still run."""
        self._pids = {pid for pid in self._pids if _is_running(pid)}
        return len(self._pids)

    def end(self) -> None:
        """Ask the children that still run to end."""
        for pid in self._pids:
            if _is_running(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def _is_running(pid: int) -> bool:
    """Whether a child runs. A child that has ended can still be waited for after this call."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
