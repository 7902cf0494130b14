"""Leases: small files in which each worker of each service says what it has live."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from artifact.files import read_small
from artifact.registry.entry import Text

# How often a worker renews its lease, and how old a lease may be before its worker counts as gone.
RENEW_SECONDS = 2.0
LEASE_SECONDS = 10.0
_ABANDONED_SECONDS = 3600.0
# Bytes of the largest lease: it has a sentence or two.
_LARGEST = 2**20


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

    worker: Text
    service: Text
    version: str | None
    number: int
    refused: int = 0
    problem: Text = ""


class Leases:
    """The leases of all workers that follow one model.

    Their age is measured by the clock of the store's disk alone, so that no two clocks are compared. That clock may be
    set: a lease from the future is as old as one from the past.

    Args:
        folder: folder of this model's leases; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, lease: Lease) -> None:
        """Write or renew a lease; the first one of a worker also removes those that were abandoned.

        Raises:
            OSError: the store cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(lease.worker)
        is_first = not path.exists()
        aside = path.with_suffix(".new")
        # The lease is not flushed to disk: after a loss of power nothing is live on this machine.
        aside.write_text(lease.model_dump_json() + "\n", encoding="utf-8")
        aside.replace(path)
        if is_first:
            self._sweep()

    def remove(self, worker: str) -> None:
        """Remove a worker's lease, and all files that were abandoned an hour ago or earlier.

        Raises:
            OSError: the store cannot be written.
        """
        self._path(worker).unlink(missing_ok=True)
        self._sweep()

    def read(self) -> list[Lease]:
        """The leases that are in force, by the name of the worker."""
        return self._read(lambda age: age < LEASE_SECONDS)

    def silent(self) -> list[Lease]:
        """The leases that were not renewed in time, by the name of the worker.

        Their workers are gone, unless the clock has just been set or the store was away: then they renew them soon.
        """
        return self._read(lambda age: age >= LEASE_SECONDS)

    def _read(self, is_wanted: Callable[[float], bool]) -> list[Lease]:
        leases = []
        for path, age in self._files():
            if path.suffix == ".json" and is_wanted(age):
                # The worker may remove the file meanwhile, and a file that is no lease says nothing.
                with contextlib.suppress(OSError, ValueError):
                    leases.append(Lease.model_validate_json(read_small(path, _LARGEST)))
        return sorted(leases, key=lambda lease: lease.worker)

    def _sweep(self) -> None:
        """Remove the files of killed workers and of killed readers."""
        for path, age in self._files():
            if age > _ABANDONED_SECONDS:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, worker: str) -> Path:
        return self.folder / f"{worker}.json"

    def _files(self) -> list[tuple[Path, float]]:
        """Each file with the seconds between its time and now, either way: a clock that is set back makes it newer."""
        try:
            paths = list(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        times = []
        for path in paths:
            with contextlib.suppress(OSError):
                times.append((path, path.stat().st_mtime))
        now = self._now() if times else 0.0
        return [(path, abs(now - time)) for path, time in times]

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
