"""The text of ``/metrics``: this process's registry, or the files of every worker of a ``bentoml serve``."""

from __future__ import annotations

import errno
import json
import os
import re
import struct
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_LIVE_GAUGE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_UNREADABLE = (OSError, ValueError, KeyError, IndexError, struct.error, UnicodeDecodeError, json.JSONDecodeError)


class WorkerFiles(Collector):
    """Collects the metrics that the workers wrote into a folder.

    A killed worker leaves its files behind. Its counters still count, and its gauges do not. An unfinished file is left
    out, because a file of zero bytes would break every scrape (python-client issue 1199).

    Args:
        folder: ``PROMETHEUS_MULTIPROC_DIR`` of the workers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> list[Metric]:
        # `glob` would hide a fault: from Python 3.13 on it finds nothing in a folder that cannot be read, and raises no
        # error.
        inside = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        files = [str(path) for path in inside if path.suffix == ".db" and _counts(path)]
        try:
            return _merged(files)
        except _UNREADABLE:
            return _merged([f for f in files if _readable(f)])


def render(registry: CollectorRegistry, folder: Path | None, *shared: Collector) -> bytes:
    """Metrics in Prometheus's text format.

    Args:
        registry: metrics of this process; used where ``folder`` is None.
        folder: folder of the workers' files, see :class:`WorkerFiles`; None where this process is the only worker.
        shared: collectors of ``registry`` whose values hold for all workers, whichever worker answers.

    Raises:
        OSError: the folder cannot be read, or no descriptor is free to read the files.
    """
    if folder is None:
        return generate_latest(registry)
    merged = CollectorRegistry()
    merged.register(WorkerFiles(folder))
    for collector in shared:
        merged.register(collector)
    return generate_latest(merged)


def _counts(path: Path) -> bool:
    match = _LIVE_GAUGE.fullmatch(path.name)
    return match is None or _alive(int(match[1]))


def _merged(files: list[str]) -> list[Metric]:
    return list(MultiProcessCollector.merge(files, accumulate=True))  # type: ignore[no-untyped-call]


def _readable(file: str) -> bool:
    try:
        _merged([file])
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in _NO_DESCRIPTORS:
            raise
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
