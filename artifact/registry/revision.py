"""Stamps of files, by which a watcher sees that one of them was replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# Path, inode, time in ns and size of each file looked at.
Stamps = tuple[tuple[str, int, int, int], ...]


def stamps_of(paths: Iterable[Path], *, missing: bool = False) -> Stamps:
    """One stamp for each file that exists. It takes some microseconds for each file, and opens none.

    Args:
        paths: paths of the files.
        missing: also give a stamp of zeros for each file that does not exist. Defaults to False.
    """
    stamps = [_stamp(path) for path in paths]
    return tuple(stamp for stamp in stamps if missing or stamp[1])


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_ino, status.st_mtime_ns, status.st_size
