"""Memory that large requests are done with goes back to the system.

glibc raises its own thresholds whenever a large block is freed, up to 32 MiB, and then keeps that much and twice as
much in every arena: after bombs and bulk requests a worker held 100 to 200 MiB that nothing used. Thresholds that are
set stay. Arenas it makes for each thread, up to eight a core, and what one holds no other can use; two are enough for
an event loop and the threads beside it.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
# Far above what a small request asks for, so that it pays nothing.
_BYTES = 2**20


def give_back() -> None:
    """Set the thresholds and the arenas of this process; nothing where its allocator has none."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _BYTES)
        mallopt(_M_MMAP_THRESHOLD, _BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
