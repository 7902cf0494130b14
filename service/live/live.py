"""Which version is live in this worker, and how another takes its place.

A new version is loaded, checked and warmed in a thread while the old one answers; then one reference changes. A version
that cannot be loaded is refused and the old one keeps serving. The former version stays in memory, so that a rollback
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

# A load that failed is tried again although nothing was promoted: a full disk or a late volume mends itself. The wait
# doubles, for a damaged version does not, and hashing it again and again costs the requests beside it.
_FIRST_RETRY_SECONDS = 2.0
_LAST_RETRY_SECONDS = 60.0


class Live:
    """Keeps the deployment of this worker up to date.

    Args:
        source: says which version should be live.
        metrics: counts loads and refusals.
        watch_seconds: how often the source is asked.
        on_live: called when a version goes live.
        clock: seconds of any clock that never goes back; says when a load that failed is tried again.
        how: see :class:`Loading`.

    Attributes:
        deployment: what is live, for those who answer by it.
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
        self._retry_at: float | None = None
        self._retry_seconds = _FIRST_RETRY_SECONDS

    @property
    def is_watching(self) -> bool:
        """Whether a promotion is seen: between :meth:`start` and :meth:`stop`."""
        return self._watch.is_running

    async def start(self) -> None:
        """Load what should be live, then watch. Without a model the watch goes on until there is one."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        await self._watch.stop()

    async def refresh(self) -> None:
        """Make live what the source wants; on failure keep what is."""
        # Read before the aliases themselves: what changes after this is seen by the next look.
        self._revision = self.source.revision()
        self._retry_at = None
        try:
            wanted = self.source.wanted()
            model = self._in_memory(wanted)
            if model is None:
                model = await asyncio.to_thread(LiveModel.load, wanted, **self.how)
        except NotFoundError as error:
            # A store that went away whole takes the alias along: then what is live is missing all the same.
            champion = self.deployment.champion
            gone = champion is not None and not self.source.holds(champion.name, champion.version)
            self._metrics.missing(gone or isinstance(error, MissingVersionError))
            self._refuse(str(error))
        except TruelineError as error:
            self._refuse(str(error), failed=True)
        except Exception as error:  # noqa: BLE001 - a full memory, a library: the live version goes on all the same
            self._refuse(f"The version could not be loaded: {error!r}.", failed=True)
        else:
            self._swap(model)

    def _in_memory(self, wanted: Reference) -> LiveModel | None:
        for model in (self.deployment.champion, self._former):
            if model is not None and (model.name, model.version) == (wanted.name, wanted.version):
                return model
        return None

    def _swap(self, model: LiveModel) -> None:
        self.deployment.problem = ""
        self._metrics.missing(False)
        self._retry_seconds = _FIRST_RETRY_SECONDS
        if model is self.deployment.champion:
            return
        self._former, self.deployment.champion = self.deployment.champion, model
        self._metrics.loaded(model.name, model.version, model.predictor.schema.targets)
        if self._on_live is not None:
            self._on_live()
        runtime = model.predictor.runtime
        logger.info("%s is live by %s on %s", model, runtime.name, runtime.device)

    def _refuse(self, problem: str, *, failed: bool = False) -> None:
        if problem != self.deployment.problem:
            self._retry_seconds = _FIRST_RETRY_SECONDS
        self._retry_at = self._clock() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LAST_RETRY_SECONDS)
        if problem == self.deployment.problem:
            return
        self.deployment.problem = problem
        if failed:
            self._metrics.refused()
        if self.deployment.champion is None:
            logger.warning("Not ready. %s", problem)
        else:
            logger.error("%s keeps serving. %s", self.deployment.champion, problem)

    async def _look(self) -> None:
        try:
            due = self._retry_at is not None and self._clock() >= self._retry_at
            if due or self.source.revision() != self._revision:
                await self.refresh()
        except OSError as error:
            # A store that cannot be read for a while must not end the watch.
            self._refuse(f"The model store could not be read: {error}.")
