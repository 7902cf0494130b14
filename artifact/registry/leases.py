"""Leases: small files in which each worker of each service says what it has live."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

# How often a worker renews its lease, and how old a lease may be before its worker counts as gone.
RENEW_SECONDS = 2.0
LEASE_SECONDS = 10.0
_ABANDONED_SECONDS = 3600.0


class Lease(BaseModel):
    """What one worker has live.

    Attributes:
        worker: name of the worker, unique for each process.
        service: name that all workers of one service share.
        version: the version that answers; None where none does.
        number: number of the entry of the deployment log that is in force.
        refused: number of the last entry that could not be followed; 0 where there was none.
        problem: why the version that should be live is not; empty where it is.
    """

    model_config = ConfigDict(frozen=True)

    worker: str
    service: str
    version: str | None
    number: int
    refused: int = 0
    problem: str = ""


class Leases:
    """The leases of all workers that follow one model.

    Their age is measured by the clock of the store's disk alone, so that no two clocks are compared.

    Args:
        folder: folder of this model's leases; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, lease: Lease) -> None:
        """Write or renew a lease.

        Raises:
            OSError: the store cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(lease.worker)
        aside = path.with_suffix(".new")
        # The lease is not flushed to disk: after a loss of power nothing is live on this machine.
        aside.write_text(lease.model_dump_json() + "\n", encoding="utf-8")
        aside.replace(path)

    def remove(self, worker: str) -> None:
        """Remove a worker's lease, and all leases that were abandoned an hour ago or earlier.

        Raises:
            OSError: the store cannot be written.
        """
        self._path(worker).unlink(missing_ok=True)
        now = self._now()
        for path, modified in self._files():
            if now - modified > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)

    def read(self) -> list[Lease]:
        """The leases that are in force, by the name of the worker."""
        files = list(self._files())
        now = self._now() if files else 0.0
        leases = []
        for path, modified in files:
            if now - modified < LEASE_SECONDS:
                # The worker may remove the file meanwhile.
                with contextlib.suppress(OSError, ValidationError):
                    leases.append(Lease.model_validate_json(path.read_bytes()))
        return sorted(leases, key=lambda lease: lease.worker)

    def _path(self, worker: str) -> Path:
        return self.folder / f"{worker}.json"

    def _files(self) -> Iterable[tuple[Path, float]]:
        """Each file with the time at which it was written."""
        try:
            paths = list(self.folder.glob("*.json"))
        except FileNotFoundError:
            return
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat().st_mtime

    def _now(self) -> float:
        """The time by the clock of the store's disk, or by this machine's clock where the store cannot be written."""
        probe = self.folder / f".now-{secrets.token_hex(4)}"
        try:
            probe.touch()
            return probe.stat().st_mtime
        except OSError:
            return time.time()
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)


def worker_name() -> str:
    """A name for this process that no other has: machine, process and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def service_name() -> str:
    """A name that all workers of a service share: the machine and the process that started them."""
    return f"{socket.gethostname()}-{os.getppid()}"
