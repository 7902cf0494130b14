"""What tells a watcher of files that one of them is another one now."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# Path, inode, time in ns and size of each file looked at.
Stamps = tuple[tuple[str, int, int, int], ...]


def stamps_of(paths: Iterable[Path], *, missing: bool = False) -> Stamps:
    """One stamp a file that is there. Some microseconds a file; none is opened.

    Args:
        paths: of the files.
        missing: have one for files that are not there, too, with zeros. Defaults to False.
    """
    stamps = [_stamp(path) for path in paths]
    return tuple(stamp for stamp in stamps if missing or stamp[1])


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_ino, status.st_mtime_ns, status.st_size
