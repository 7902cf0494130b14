"""A worker without a model leaves the connections to the workers that have one.

All workers of a service accept connections from one socket, and the kernel gives each connection to any of them. If the
live version was damaged or deleted on disk, the workers that have it in memory answer on. A worker that starts then has
nothing to answer with: would it accept connections, a part of all calls would fail.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from service.process.fleet import Fleet, State

logger = logging.getLogger("bentoml.trueline")

_LOOK_SECONDS = 0.05
# A worker that hangs while it loads its first version is waited for no longer than this.
_STARTING_SECONDS = 10.0


async def stand_back(fleet: Fleet, is_over: Callable[[], bool], *, starting_seconds: float = _STARTING_SECONDS) -> None:
    """Return when this worker should accept connections: at the latest when no other one can answer them.

    The callers then get this worker's 503, which says what to do. Until then the service is ready without this worker.

    Args:
        fleet: this worker among the others; this one is not ready, and has tried to load a version.
        is_over: whether this worker has a model now, or ends.
        starting_seconds: how long workers count that still load their first version. Defaults to 10.
    """
    answering: tuple[State, ...] = ("ready", "starting")
    began, is_told = time.monotonic(), False
    while not is_over() and fleet.has_others(answering):
        if not is_told:
            logger.warning("This worker accepts no connections while it has no model and others answer.")
            fleet.show("aside")
            is_told = True
        await asyncio.sleep(_LOOK_SECONDS)
        if time.monotonic() - began >= starting_seconds:
            answering = ("ready",)
    if not is_over():
        fleet.show("empty")
