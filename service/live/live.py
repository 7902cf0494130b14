"""Keeps the right version live in this worker, and swaps in another one.

A new version is loaded, checked and warmed in a thread while the old one answers; then one reference changes. A version
that cannot be loaded is refused, and the old one keeps serving. The former version stays in memory, so that a rollback
is instant.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from typing import Unpack

from artifact.errors import NotFoundError, TruelineError
from artifact.registry.base import Reference
from service.live.deployment import Deployment
from service.live.model import LiveModel, Loading
from service.live.periodic import Periodic
from service.live.source import MissingVersionError, Source
from service.metrics.metrics import Metrics

logger = logging.getLogger("bentoml.trueline")

# A failed load is tried again even without a promotion, for a full disk or a late volume may recover. The wait doubles,
# for a damaged version never recovers, and hashing it again and again slows the requests beside it.
_FIRST_RETRY_SECONDS = 2.0
_LAST_RETRY_SECONDS = 60.0


class Live:
    """Keeps the deployment of this worker up to date.

    Args:
        source: says which version should be live.
        metrics: counts loads and refusals.
        watch_seconds: how often the source is asked.
        on_live: called when a version goes live.
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
        on_live: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        **how: Unpack[Loading],
    ) -> None:
        self.source = source
        self.deployment = Deployment()
        self.how = how
        self._former: LiveModel | None = None
        self._metrics = metrics
        self._on_live = on_live
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
        # Read before the log itself, so that the next look sees any later change.
        self._revision = self.source.revision()
        self._retry_at = None
        self._report_log()
        try:
            reference = self.source.reference()
            model = self._in_memory(reference)
            if model is None:
                model = await asyncio.to_thread(LiveModel.load, reference, **self.how)
        except NotFoundError as error:
            # When the whole store disappears, its log disappears too. The live version counts as missing then.
            champion = self.deployment.champion
            is_gone = champion is not None and not self.source.holds(champion.name, champion.version)
            self._metrics.version_missing(is_gone or isinstance(error, MissingVersionError))
            self._refuse(str(error))
        except TruelineError as error:
            self._refuse(str(error), is_fault=True)
        except Exception as error:  # noqa: BLE001 - no memory left, a fault in a library: the live version goes on
            self._refuse(f"The version could not be loaded: {error!r}.", is_fault=True)
        else:
            self._swap(model)

    def _report_log(self) -> None:
        """Report once that entries of the deployment log do not count: what they made live is not live here."""
        problem = self.source.log_problem()
        self._metrics.log_stopped(bool(problem))
        if problem and problem != self._log_problem:
            logger.error("%s", problem)
        self._log_problem = problem

    def _in_memory(self, reference: Reference) -> LiveModel | None:
        for model in (self.deployment.champion, self._former):
            if model is not None and (model.name, model.version) == (reference.name, reference.version):
                return model
        return None

    def _swap(self, model: LiveModel) -> None:
        self.deployment.problem = ""
        self._metrics.version_missing(False)
        self._retry_seconds = _FIRST_RETRY_SECONDS
        if model is self.deployment.champion:
            return
        self._former, self.deployment.champion = self.deployment.champion, model
        self._metrics.went_live(model.name, model.version, model.predictor.schema.targets)
        if self._on_live is not None:
            self._on_live()
        runtime = model.predictor.runtime
        logger.info("%s is live by %s on %s", model, runtime.name, runtime.device)

    def _refuse(self, problem: str, *, is_fault: bool = False) -> None:
        if problem != self.deployment.problem:
            self._retry_seconds = _FIRST_RETRY_SECONDS
        self._retry_at = self._clock() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LAST_RETRY_SECONDS)
        if problem == self.deployment.problem:
            return
        self.deployment.problem = problem
        if is_fault:
            self._metrics.load_failed()
        if self.deployment.champion is None:
            logger.warning("Not ready. %s", problem)
        else:
            logger.error("%s keeps serving. %s", self.deployment.champion, problem)

    async def _look(self) -> None:
        try:
            is_due = self._retry_at is not None and self._clock() >= self._retry_at
            if is_due or self.source.revision() != self._revision:
                await self.refresh()
        except OSError as error:
            # A store that is unreadable for some time must not end the watch.
            self._refuse(f"The model store could not be read: {error}.")
