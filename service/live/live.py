"""Keeps the right version live in this worker, and swaps in another one.

A new version is loaded, checked and warmed in a thread while the old one answers; then one reference changes. A version
that cannot be loaded is refused, and the old one keeps serving. The former version stays in memory, so that a rollback
is instant.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Unpack

from artifact.errors import TruelineError
from artifact.registry.base import Reference
from artifact.runtimes import Runtime
from service.live.background import Pace, in_background
from service.live.deployment import Deployment
from service.live.model import LiveModel, Loading
from service.live.periodic import Periodic
from service.live.source import Source, Wanted
from service.metrics.metrics import Metrics

logger = logging.getLogger("bentoml.trueline")

# A failed load is tried again even without a promotion, because a full disk or a late volume may recover. A damaged
# version never does, and hashing it again and again would slow requests down. So the wait doubles each time.
_FIRST_RETRY_SECONDS = 2.0
_LAST_RETRY_SECONDS = 60.0


class Live:
    """Keeps the deployment of this worker up to date.

    Args:
        source: says which version should be live.
        metrics: counts loads and refusals.
        watch_seconds: seconds between two looks at the source.
        spread_seconds: while a version is live, the load of another one begins after a random part of this. Defaults
            to 0.
        on_live: called when a version goes live.
        on_change: called when the deployment has changed: another version, entry or problem.
        clock: seconds of any clock that never goes back; times the next try of a failed load.
        how: see :class:`Loading`.

    Attributes:
        deployment: holds the live version for the handlers.
        how: how each version is loaded.
    """

    def __init__(
        self,
        source: Source,
        metrics: Metrics,
        *,
        watch_seconds: float,
        spread_seconds: float = 0.0,
        on_live: Callable[[], None] | None = None,
        on_change: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        **how: Unpack[Loading],
    ) -> None:
        self.source = source
        self.deployment = Deployment()
        self.how = how
        self._former: LiveModel | None = None
        self._metrics = metrics
        self._spread_seconds = spread_seconds
        self._on_live = on_live
        self._on_change = on_change
        self._clock = clock
        self._watch = Periodic(self._look, watch_seconds)
        self._revision: Hashable = None
        self._log_problem = ""
        self._retry_at: float | None = None
        self._retry_seconds = _FIRST_RETRY_SECONDS

    @property
    def is_watching(self) -> bool:
        """Whether promotions are noticed: from :meth:`start` until :meth:`stop`."""
        return self._watch.is_running

    async def start(self) -> None:
        """Load the version that should be live, then watch for promotions. Without a model, wait for one."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        await self._watch.stop()

    async def refresh(self) -> None:
        """Make the version live that the source names; on failure keep the present one."""
        self._retry_at = None
        wanted = await self._ask()
        self._revision = wanted.revision
        self._report_log(wanted.log_problem)
        if wanted.reference is None:
            if not wanted.is_fault:
                self._metrics.version_missing(wanted.is_missing)
            self._refuse(wanted.problem, wanted.number, is_fault=wanted.is_fault)
            return
        try:
            model = self._in_memory(wanted.reference)
            if model is None:
                model = await self._load(wanted.reference)
        except TruelineError as error:
            self._refuse(str(error), wanted.number, is_fault=True)
        except Exception as error:  # noqa: BLE001 - no memory left, a fault in a library: the live version goes on
            self._refuse(f"The version could not be loaded: {error!r}.", wanted.number, is_fault=True)
        else:
            self._swap(model, wanted.number)

    async def _ask(self) -> Wanted:
        """What the source says should be live."""
        champion = self.deployment.champion
        live = None if champion is None else (champion.name, champion.version)
        # This runs in a thread, because a store on a network that hangs must not hold up the requests.
        wanted = await asyncio.to_thread(self.source.ask, live)
        if champion is None or wanted.reference is None or self._in_memory(wanted.reference) is not None:
            return wanted
        # Workers that share a core would all load at once, and hold up each other's requests. What should be live may
        # be another version after the pause.
        await asyncio.sleep(random.uniform(0, self._spread_seconds))
        return await asyncio.to_thread(self.source.ask, live)

    async def _load(self, reference: Reference) -> LiveModel:
        """Load a version. If another one is live, its requests come first."""
        if self.deployment.champion is None:
            return await asyncio.to_thread(LiveModel.load, reference, **self.how)
        pace = Pace()
        await pace.run(LiveModel.check, reference, pace.rest)
        if LiveModel.has_threads(reference, **self.how):
            runtime = await asyncio.to_thread(partial(LiveModel.open, reference, **self.how))
        else:
            runtime = await in_background(partial(LiveModel.open, reference, **self.how))
        return await pace.run(self._prove, reference, runtime, pace.rest)

    def _prove(self, reference: Reference, runtime: Runtime, rest: Callable[[], None]) -> LiveModel:
        model = LiveModel.around(runtime, reference, **self.how)
        rest()
        model.prove(reference, rest)
        return model

    def _report_log(self, problem: str) -> None:
        """Log once why some entries of the deployment log do not count: their versions are not live here."""
        self._metrics.log_stopped(bool(problem))
        if problem and problem != self._log_problem:
            logger.error("%s", problem)
        self._log_problem = problem

    def _in_memory(self, reference: Reference) -> LiveModel | None:
        for model in (self.deployment.champion, self._former):
            if model is not None and (model.name, model.version) == (reference.name, reference.version):
                return model
        return None

    def _swap(self, model: LiveModel, number: int) -> None:
        self.deployment.problem = ""
        self.deployment.number = number
        self._metrics.version_missing(False)
        self._retry_seconds = _FIRST_RETRY_SECONDS
        if model is self.deployment.champion:
            self._changed()
            return
        self._former, self.deployment.champion = self.deployment.champion, model
        self._metrics.went_live(model.name, model.version, model.predictor.schema.targets)
        if self._on_live is not None:
            self._on_live()
        self._changed()
        runtime = model.predictor.runtime
        logger.info("%s is live by %s on %s", model, runtime.name, runtime.device)

    def _refuse(self, problem: str, number: int | None = None, *, is_fault: bool = False) -> None:
        before = self.deployment.refused, self.deployment.problem
        if number is not None:
            self.deployment.refused = number
        is_new, self.deployment.problem = problem != self.deployment.problem, problem
        if is_new:
            self._retry_seconds = _FIRST_RETRY_SECONDS
        self._retry_at = self._clock() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LAST_RETRY_SECONDS)
        if (self.deployment.refused, problem) != before:
            # Who waits for another entry learns of its refusal at once, also where the reason is the same.
            self._changed()
        if not is_new:
            return
        if is_fault:
            self._metrics.load_failed()
        if self.deployment.champion is None:
            logger.warning("Not ready. %s", problem)
        else:
            logger.error("%s keeps serving. %s", self.deployment.champion, problem)

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()

    async def _look(self) -> None:
        is_due = self._retry_at is not None and self._clock() >= self._retry_at
        if is_due or await asyncio.to_thread(self.source.revision) != self._revision:
            await self.refresh()
