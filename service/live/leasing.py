"""Writes into the store what this worker has live, so that a promotion can wait until all workers have a version."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from artifact.registry.base import Registry
from artifact.registry.leases import RENEW_SECONDS, Lease, service_name, worker_name
from service.live.deployment import Deployment
from service.live.store import Access

logger = logging.getLogger("bentoml.trueline")

# How long a worker that ends waits for the store.
_LAST_SECONDS = 1.0


class Leasing:
    """Keeps this worker's lease up to date: at once when the deployment changes, and again and again.

    Args:
        registry: the model store.
        followed: names the model whose deployment log this worker follows; None while it follows none.
        deployment: deployment of this worker.
        seconds: between two renewals.

    Attributes:
        access: whether the store could be written.
    """

    def __init__(
        self,
        registry: Registry,
        followed: Callable[[], str | None],
        deployment: Deployment,
        seconds: float = RENEW_SECONDS,
    ) -> None:
        self.access = Access()
        self._registry = registry
        self._followed = followed
        self._deployment = deployment
        self._seconds = seconds
        self._worker, self._service = worker_name(), service_name()
        self._name: str | None = None
        self._has_changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. This method must run inside the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def renew(self) -> None:
        """Write the lease soon: the deployment has changed."""
        self._has_changed.set()

    async def stop(self) -> None:
        """End, and take the lease back."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._name is not None:
            # The worker does not wait longer for a store that hangs. The lease then ends by itself.
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await asyncio.to_thread(self._registry.remove_lease, self._name, self._worker)

    async def _run(self) -> None:
        while True:
            self._has_changed.clear()
            name = self._followed()
            if name is not None:
                self._name = name
                await self._write(name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._has_changed.wait()

    async def _write(self, name: str) -> None:
        champion, deployment = self._deployment.champion, self._deployment
        lease = Lease(
            worker=self._worker,
            service=self._service,
            version=None if champion is None else champion.version,
            number=deployment.number,
            refused=deployment.refused,
            problem=deployment.problem,
        )
        try:
            # This runs in a thread, because a store on a network that hangs must not hold up the requests.
            with self.access.call():
                await asyncio.to_thread(self._registry.write_lease, name, lease)
            self.access.problem = ""
        except OSError as error:
            problem = (
                "Expected a store in which this worker can say what it has live. "
                f"Received: {error.strerror or error}. `trueline promote --wait` does not wait for it."
            )
            if not self.access.problem:
                logger.warning("%s", problem)
            self.access.problem = problem
