"""The files of the metrics: their room on the disk is reserved before anything is written.

prometheus-client maps a sparse file into memory. When the disk is full, a write into a hole of the file ends the
process (SIGBUS). It would also end each new worker, so a full disk would end the service. Here the blocks are reserved
first. Where there is no room, this worker keeps counting in its own memory and logs that once; predictions go on.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import struct
from pathlib import Path

from prometheus_client import mmap_dict, values

logger = logging.getLogger("bentoml.trueline")

_FIRST_BYTES = 65_536
# Bytes of a key's length, of its longest padding, and of a value and its time.
_AROUND_A_KEY = 4 + 8 + 16


class ReservedDict(mmap_dict.MmapedDict):
    """prometheus-client's dictionary of numbers in a file, or in memory where the disk has no room.

    Args:
        filename: file of this process alone.
        read_mode: whether to read the file only.
    """

    has_warned = False

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        self._in_file = True
        if read_mode:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
            return
        try:
            is_new = not Path(filename).exists()
            with Path(filename).open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, _FIRST_BYTES)
            super().__init__(filename)  # type: ignore[no-untyped-call]
        except OSError as error:
            if is_new:
                with contextlib.suppress(OSError):
                    Path(filename).unlink()
            self._in_file = False
            self._positions: dict[str, int] = {}
            self._used = 8
            self._to_memory(b"", _FIRST_BYTES, error)
            struct.pack_into("i", self._m, 0, self._used)

    def _init_value(self, key: str) -> None:
        """Make room for a value: in the file while the file can grow, then in memory."""
        most = self._used + len(key.encode()) + _AROUND_A_KEY
        if most > self._capacity:
            if self._in_file:
                try:
                    os.posix_fallocate(self._f.fileno(), 0, 2 * self._capacity)
                except OSError as error:
                    self._in_file = False
                    self._f.close()
                    self._to_memory(self._m[:], 2 * self._capacity, error)
            else:
                self._to_memory(self._m[:], 2 * self._capacity, None)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        if self._in_file:
            super().close()  # type: ignore[no-untyped-call]

    def _to_memory(self, content: bytes, capacity: int, error: OSError | None) -> None:
        self._m = mmap.mmap(-1, capacity)
        self._m[: len(content)] = content
        self._capacity = capacity
        if error is not None and not ReservedDict.has_warned:
            ReservedDict.has_warned = True
            logger.warning("Metrics stay in this worker, where /metrics does not see them: %s.", error)


def install() -> None:
    """Let prometheus-client use such files from now on; files that are open stay as they are."""
    values.MmapedDict = ReservedDict  # type: ignore[attr-defined]
