"""Memory that large requests have used goes back to the system.

glibc gives free memory back above thresholds. It raises these whenever a large block is freed, up to 32 MiB, and then
keeps up to twice as much free memory in every arena. After decompression bombs and bulk requests a worker kept 100 to
200 MiB that nothing used. Thresholds that the process sets do not rise. glibc also makes an arena for each thread, up
to eight a core, and no arena can use the memory of another; two are enough for an event loop and the threads beside it.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
# Small requests allocate far less than this, so the thresholds cost them nothing.
_BYTES = 2**20


def give_back() -> None:
    """Set this process's thresholds and its number of arenas; do nothing where the allocator has no such settings."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _BYTES)
        mallopt(_M_MMAP_THRESHOLD, _BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
