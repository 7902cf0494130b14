"""A process of the benchmark and all that it starts: their memory can be measured, and all of them are ended."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

MEMORY_LIMIT = 6 << 30
_MARK = "TRUELINE_BENCHMARK_RUN"
_END_SECONDS = 15


class Family:
    """A process and every process that it started, daemons too: a mark in their environment identifies them."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self.process = process
        self._mark = mark

    def members(self) -> list[psutil.Process]:
        """The processes that run now, without daemons that have left the tree."""
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def memory(self) -> list[int]:
        """Resident bytes of each member."""
        sizes = []
        for member in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(member.memory_info().rss)
        return sizes

    def end(self) -> None:
        """Ask the root to end, then kill the rest: some servers' workers are in sessions of their own."""
        members = self.members()
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        _, remaining = psutil.wait_procs(members, timeout=_END_SECONDS)
        stragglers = {*remaining, *self._marked()}
        for straggler in stragglers:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
        psutil.wait_procs(list(stragglers), timeout=_END_SECONDS)
        self.process.wait()

    def _marked(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark:
                    yield process


@contextlib.contextmanager
def family(command: Sequence[str], environ: Mapping[str, str], log: Path, cwd: Path) -> Iterator[Family]:
    """Run a command until the block ends."""
    mark = secrets.token_hex(8)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environ, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        members = Family(process, mark)
        try:
            yield members
        finally:
            members.end()


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
